"""Rows that migrations make are there again after a test that commits, so that no test depends on those before it.

Django empties every table after such a test.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ocpp_app import append_only

AS_LITERAL = {"sqlite": "quote({})", "postgresql": "quote_nullable({}::text)"}


def keep(connection: BaseDatabaseWrapper) -> None:
    """From now on, to empty this database's tables brings back the rows that they have now."""
    rows = {table: inserts(connection, table) for table in connection.introspection.table_names()}
    operations: Any = type(connection.ops)
    empty = operations.sql_flush if connection.vendor == "sqlite" else delete

    def sql_flush(ops: Any, style: Any, tables: list[str], **options: Any) -> list[str]:
        return [*empty(ops, style, tables, **options), *(insert for table in tables for insert in rows.get(table, ()))]

    operations.sql_flush = sql_flush


def inserts(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """A statement for each row of a table."""
    with connection.cursor() as cursor:
        quote = connection.ops.quote_name
        columns = [quote(column.name) for column in connection.introspection.get_table_description(cursor, table)]
        literals = ", ".join(AS_LITERAL[connection.vendor].format(column) for column in columns)
        cursor.execute(f"SELECT {literals} FROM {quote(table)}")
        into = f"INSERT INTO {quote(table)} ({', '.join(columns)}) VALUES"
        return [f"{into} ({', '.join(row)})" for row in cursor.fetchall()]


def delete(_ops: Any, _style: Any, tables: list[str], **_options: Any) -> list[str]:
    """To truncate so many tables takes PostgreSQL half a second; only of the audit log it lets nobody delete."""
    return [f'TRUNCATE "{table}"' if table == append_only.TABLE else f'DELETE FROM "{table}"' for table in tables]
