"""Databases of the processes: the tags in them, and what is in them, read past Django."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests import services

TAGS = tuple(f"TAG{number:03}" for number in range(1, 51))
"""Registered idTags, each for one transaction at a time."""
BLOCKED_TAG = "BLOCKED"

REGISTER_TAGS = f"""
from ocpp_app.models import IdTag
for name in {TAGS!r}:
    IdTag.objects.create(id_tag=name)
IdTag.objects.create(id_tag={BLOCKED_TAG!r}, is_blocked=True)
"""

SLOW_COMMIT = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.004); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON ocpp_app_message
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle();
"""


new_postgres = services.new_postgres_database


class Database:
    """Reads a central system's database directly: what is committed, whatever the application believes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.is_sqlite = url.startswith("sqlite:")

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """All rows of a query; parameters are written ``%s``."""
        return self._sqlite(query, parameters) if self.is_sqlite else self._postgres(query, parameters)

    def row(self, query: str, *parameters: object) -> dict[str, Any]:
        """The one row of a query."""
        found = self.rows(query, *parameters)
        assert len(found) == 1, f"{len(found)} rows instead of one: {query} {parameters}"
        return found[0]

    def value(self, query: str, *parameters: object) -> Any:
        """The one column of the one row of a query."""
        (value,) = self.row(query, *parameters).values()
        return value

    def values(self, query: str, *parameters: object) -> list[Any]:
        """The one column of a query."""
        return [next(iter(row.values())) for row in self.rows(query, *parameters)]

    def slow_down_commits(self) -> None:
        """Make PostgreSQL take 4 ms longer at COMMIT for each frame, so that a kill often falls into one."""
        with psycopg.connect(self._url) as connection:
            connection.execute(SLOW_COMMIT)

    def _sqlite(self, query: str, parameters: tuple[object, ...]) -> list[dict[str, Any]]:
        path = self._url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query.replace("%s", "?"), parameters)]

    def _postgres(self, query: str, parameters: tuple[object, ...]) -> list[dict[str, Any]]:
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            return connection.execute(query, parameters).fetchall()


def as_utc(value: Any) -> datetime:
    """A time from either database."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_json(value: Any) -> Any:
    """A JSON column from either database."""
    return json.loads(value) if isinstance(value, str) else value
