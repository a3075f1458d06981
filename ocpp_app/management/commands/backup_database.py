"""``manage.py backup_database FILE``: a copy of the SQLite database, made while it is in use."""

import os
import sqlite3
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

OWNER_ONLY = 0o600
"""It holds the hashes of passwords and tokens."""


class Command(BaseCommand):
    help = (
        "Copy the SQLite database into a new file while everything goes on, as it was at one moment, and check the "
        "copy. PostgreSQL has pg_dump and base backups: see docs/backups.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--overwrite", action="store_true", help="replace an earlier copy, once the new one is good"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(
                f"This is {connection.display_name}, not SQLite: use pg_dump or base backups, see docs/backups.md."
            )
        target: Path = options["file"]
        if target.exists() and not options["overwrite"]:
            raise CommandError(f"{target} exists. Name another file, or say --overwrite.")
        if not target.parent.is_dir():
            raise CommandError(f"There is no folder {target.parent}.")
        broken = back_up(target)
        self.stdout.write(f"{target}: {target.stat().st_size:,} bytes, checked.")
        if broken:
            self.stderr.write(f"It is as the database is: there are rows that refer to none, in {', '.join(broken)}.")


def back_up(target: Path) -> list[str]:
    """Copy the database to ``target``, whole or not at all; ``CommandError`` says why not. Returns the tables with rows
    that refer to none."""
    unfinished = target.with_name(f"{target.name}.unfinished-{os.getpid()}")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        connection.ensure_connection()
        assert connection.connection is not None
        with closing(sqlite3.connect(unfinished)) as copy:
            # All pages in one go: a reader, in WAL mode, keeps no writer waiting, and sees one moment only.
            connection.connection.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, not three
            _check(copy)
            broken = sorted({table for table, *_rest in copy.execute("PRAGMA foreign_key_check")})
        _write_through(unfinished)
        unfinished.replace(target)
        _write_through(target.parent)
    except (OSError, sqlite3.Error, DatabaseError) as error:
        raise CommandError(f"The backup failed, nothing was replaced: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return broken


def _check(copy: sqlite3.Connection) -> None:
    said = [text for (text,) in copy.execute("PRAGMA integrity_check")]
    if said != ["ok"]:
        raise CommandError(f"The copy is damaged, and so may be the database: {'; '.join(said[:5])}")


def _write_through(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
