"""Migrated databases to be copied: to migrate takes seconds, to copy milliseconds.

They are kept from run to run, one for each kind of database, until what migrations are made of has changed: an SQLite
file in `.services/migrated`, and a database of the tests' PostgreSQL server. Those with rows in them have a name, and
the code that makes the rows in `manage.py shell`.
"""

import fcntl
import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import django
import psycopg
from psycopg import sql

from scripts.services import postgres, state
from tests.e2e.processes import ROOT, environment

FOLDER = state.STATE_DIR / "migrated"


def prepare(url: str, rows: str) -> None:
    """Migrate a database, and make the rows."""
    variables = environment(DATABASE_URL=url, DATA_DIR=str(FOLDER / "data"))
    for arguments in (["migrate", "-v0"], *([["shell", "-v0", "-c", rows]] if rows else [])):
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=variables, check=True)


def digest(rows: str) -> str:
    """Of what a database is made of: Django, and all code of ours that a migration may read."""
    found = hashlib.sha256(f"{django.VERSION} {rows}".encode())
    for folder in ("ocpp_app", "backend", "simulator/web"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()


@contextmanager
def only_here(name: str) -> Iterator[None]:
    """One process at a time makes this."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sqlite_template(name: str = "bare", rows: str = "") -> Path:
    """A migrated SQLite database, in one file, that nobody uses."""
    path = FOLDER / f"{name}-{digest(rows)[:16]}.sqlite3"
    with only_here(f"sqlite-{name}"):
        if not path.exists():
            for old in FOLDER.glob(f"{name}-*"):
                old.unlink()
            new = FOLDER / f"{name}-new.sqlite3"
            prepare(f"sqlite:///{new}", rows)
            with closing(sqlite3.connect(new)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nothing is left in a second file
            new.rename(path)
    return path


def copy_sqlite(template: Path, to: Path) -> str:
    """The URL of a copy of a SQLite database that nobody uses now."""
    shutil.copyfile(template, to)
    return f"sqlite:///{to}"


def postgres_template(server: str, name: str = "bare", rows: str = "") -> str:
    """The URL of a migrated database on this server, that nobody uses; a comment says that it is complete."""
    database, wanted = f"ocpp_csms_{name}_{state.clone_id()[-8:]}", digest(rows)
    url = postgres.with_database(server, database)
    with only_here(f"postgres-{name}"), psycopg.connect(server, autocommit=True) as connection:
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        if connection.execute(query, [database]).fetchone() != (wanted,):
            postgres.drop_database(url)
            prepare(postgres.create_database(server, database), rows)
            statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
            connection.execute(statement.format(sql.Identifier(database), sql.Literal(wanted)))
    return url


@contextmanager
def copied_postgres(template: str) -> Iterator[str]:
    """The URL of a copy of a PostgreSQL database that nobody uses now; dropped at the end."""
    name = f"ocpp_csms_test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.with_database(template, "postgres"), autocommit=True) as connection:
        source = postgres.name_of(template)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(source)))
    url = postgres.with_database(template, name)
    try:
        yield url
    finally:
        postgres.drop_database(url)
