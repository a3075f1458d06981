"""Whose fault a database error is: nobody's (run it again), the database's (wait), or our own (a bug)."""

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError

CONFLICTS = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs of a transaction that may succeed when it is run again: serialization failure, deadlock, lock timeout."""
UNAVAILABLE_CLASSES = ("08", "53", "57", "58", "25P03")
"""SQLSTATE classes: connection, resources (disk full, too many connections), operator intervention, system, idle
timeout."""
STALE_PLANS = ("cached plan must not change result type",)
"""A migration has altered a column under a prepared statement; the ROLLBACK has forgotten the statement."""
SQLITE_CONFLICTS = ("database is locked", "database table is locked")
SQLITE_UNAVAILABLE = ("disk is full", "disk I/O error", "unable to open database", "readonly database", "malformed")


def is_conflict(error: DatabaseError) -> bool:
    """Whether the same transaction may succeed when it is run again at once.

    A unique constraint counts as well: another worker had the same request or the same new row and was quicker; it is
    found next time.
    """
    if isinstance(error, IntegrityError):
        return True
    return _sqlstate(error) in CONFLICTS or _says(error, SQLITE_CONFLICTS + STALE_PLANS)


def is_unavailable(error: DatabaseError) -> bool:
    """Whether the database cannot be reached or cannot write, so that waiting is all that helps."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    sqlstate = _sqlstate(error)
    if sqlstate is not None:
        return sqlstate.startswith(UNAVAILABLE_CLASSES)
    return _says(error, SQLITE_UNAVAILABLE) or not _is_sqlite(error)  # psycopg gives no SQLSTATE for a lost connection


def is_no_rows_fault(error: DatabaseError) -> bool:
    """Whether it says nothing of the rows at hand: the database is away, or somebody holds a lock for long."""
    return is_unavailable(error) or (is_conflict(error) and not isinstance(error, IntegrityError))


def _sqlstate(error: DatabaseError) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def _says(error: DatabaseError, phrases: tuple[str, ...]) -> bool:
    return any(phrase in str(error) for phrase in phrases)


def _is_sqlite(error: DatabaseError) -> bool:
    return type(error.__cause__).__module__ == "sqlite3"
