"""On PostgreSQL, indexes a thousandth the size of a B-tree on when a row was written, of the tables that only grow.

Made without keeping anybody from writing. Other databases have no such index: nothing happens there.
"""

from typing import Any

from django.db import migrations

INDEXES = {
    "ocpp_message_at_brin": ("ocpp_app_message", "at"),
    "ocpp_meter_received_brin": ("ocpp_app_metervalue", "received_at"),
    "ocpp_meter_timestamp_brin": ("ocpp_app_metervalue", "timestamp"),
    "ocpp_session_connected_brin": ("ocpp_app_session", "connected_at"),
    "ocpp_status_received_brin": ("ocpp_app_statushistory", "received_at"),
}


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for name, (table, column) in INDEXES.items():
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # left invalid by a run that was interrupted
        schema_editor.execute(
            f'CREATE INDEX CONCURRENTLY {name} ON {table} USING brin ("{column}") '
            "WITH (pages_per_range = 32, autosummarize = on)"
        )


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name in INDEXES:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ocpp_app", "0020_retention")]
    operations = [migrations.RunPython(create, drop, atomic=False)]
