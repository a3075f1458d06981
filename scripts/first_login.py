"""Brings the database up to date and makes the first login of the admin: once, with a password of its own."""

import os
import secrets
import sys
from pathlib import Path

USERNAME = "admin"


def main() -> int:
    """Prints the login as "username password"; the password is "-" once somebody has changed it."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    print(*ensure_login(Path(os.environ["DATA_DIR"]) / "first_login"))
    return 0


def ensure_login(note: Path) -> tuple[str, str]:
    """The first superuser's name and password, made when there is no superuser; note keeps the password (mode 0600)."""
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if not users.filter(is_superuser=True).exists():
        password = secrets.token_urlsafe(9)
        write_private(note, f"{USERNAME} {password}\n")
        users.create_superuser(USERNAME, "", password)
        return USERNAME, password
    return known_login(note)


def known_login(note: Path) -> tuple[str, str]:
    from django.contrib.auth import authenticate, get_user_model

    if note.exists():
        username, password = note.read_text().split()
        if authenticate(username=username, password=password):
            return username, password
    return get_user_model().objects.filter(is_superuser=True).earliest("pk").get_username(), "-"


def write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
