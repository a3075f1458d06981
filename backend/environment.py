"""Environment variables, read strictly: what cannot be meant stops the start and says which variable it is.

WrongSetting             an ``ImproperlyConfigured`` whose text names the variable and says what to do
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

WORDS = {
    **dict.fromkeys(("on", "true", "yes", "1"), True),
    **dict.fromkeys(("off", "false", "no", "0"), False),
}
DATABASES = frozenset({"sqlite", "postgres", "postgresql", "psql", "pgsql"})
HINTS = {
    bool: "use on or off",
    int: "use a whole number",
    float: "use a number, such as 2.5",
    json.loads: "use JSON",
}


class WrongSetting(ImproperlyConfigured):
    """A setting with which nothing can start; the text is all that an operator needs."""


class Environment(environ.Env):
    """``environ.Env`` without its guesses: it takes ``HTTPS=onn`` for off, and ``3O`` for 3."""

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **options: Any) -> Any:
        """The value of a variable. Raises ``WrongSetting``; a number or switch that is left empty has its default."""
        text = self.ENVIRON.get(var)
        if text is not None and not text.strip() and cast in (bool, int, float):
            return default
        try:
            return super().get_value(var, cast=cast, default=default, **options)
        except ValueError as error:
            hint = HINTS.get(cast, f"it cannot be read ({error})")
            raise WrongSetting(f"{var} is {text!r}: {hint}.") from None

    @classmethod
    def parse_value(cls, value: Any, cast: Any) -> Any:
        if cast is bool and isinstance(value, str):
            if value.strip().lower() not in WORDS:
                raise ValueError(value)
            return WORDS[value.strip().lower()]
        if cast is float:
            return float(value)
        if cast is list:
            return [part.strip() for part in value.split(",") if part.strip()]
        return super().parse_value(value, cast)

    def choice(self, var: str, choices: Collection[str], default: str) -> str:
        """One of these words, in any case."""
        text = self.str(var, default="").strip() or default
        for choice in choices:
            if choice.lower() == text.lower():
                return choice
        raise WrongSetting(f"{var} is {text!r}: use one of {', '.join(choices)}.")

    def zone(self, var: str, default: str) -> str:
        """The name of a time zone."""
        text = self.str(var, default="").strip() or default
        try:
            return ZoneInfo(text).key
        except (ValueError, OSError, KeyError):
            raise WrongSetting(f"{var} is {text!r}: use a name such as UTC or Europe/Berlin.") from None

    def folder(self, var: str, default: Path) -> Path:
        """A folder, made when it is not there."""
        path = Path(self.str(var, default="").strip() or default)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WrongSetting(f"{var} is {str(path)!r}, which is no folder and cannot be made one: {error}.") from None
        return path

    def read_further(self, default: Path) -> None:
        """Read further variables from the file that ENV_FILE names, which must be there, or else from the default."""
        named = self.ENVIRON.get("ENV_FILE", "").strip()
        if named and not Path(named).exists():
            raise WrongSetting(f"ENV_FILE names {named!r}, which is not there.")
        self.read_env(named or default)

    def secret(self, name: str) -> str:
        """A secret from the environment, or from the file that ``<name>_FILE`` names; empty without either."""
        file: str = self.str(f"{name}_FILE", default="")
        if not file:
            text: str = self.str(name, default="")
            return text
        try:
            return Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongSetting(f"The file that {name}_FILE names cannot be read: {error}.") from None

    def database(self, name: str, default: str) -> dict[str, Any]:
        """A database for ``DATABASES``: SQLite or PostgreSQL, from a URL, which is never shown: it has a password."""
        url = self.secret(name) or default
        wrong = WrongSetting(
            f"{name} is no URL of a database: use postgres://user:password@host:5432/name or sqlite:////path/file."
        )
        if url.partition("://")[0] not in DATABASES:
            raise wrong
        try:
            config: dict[str, Any] = self.db_url_config(url)
        except ValueError:
            raise wrong from None
        if not config.get("NAME"):
            raise wrong
        return config


def explain_database(error: DatabaseError) -> str:
    """What an operator needs to know where no connection can be made; empty where one can, so that it is our error."""
    try:
        connection.close()
        connection.ensure_connection()
    except DatabaseError:
        words = str(error).strip().rstrip(".")
        return f"The database cannot be used: {words}. {_DATABASE_HINTS[connection.vendor]}"
    return ""


_DATABASE_HINTS = {
    "sqlite": "Does DATABASE_URL name a file in a folder that is there and may be written to?",
    "postgresql": "Does DATABASE_URL name the right server, user, password and database, and does the server run?",
}
