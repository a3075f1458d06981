"""Indexes to find, among all charge points, those whose names would collide in certificates.

The words in an identity and a serial number, by an inverted index, on PostgreSQL; SQLite has few charge points.
"""

from typing import Any

from django.db import migrations, models

NAME, TABLE = "ocpp_point_words", "ocpp_app_chargepoint"
WORDS = "regexp_split_to_array(identity || ' ' || registered_serial_number, '[^0-9A-Za-z]+')"


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")  # left invalid by a run that was interrupted
        schema_editor.execute(f"CREATE INDEX CONCURRENTLY {NAME} ON {TABLE} USING gin (({WORDS})) WITH (fastupdate = off)")


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ocpp_app", "0025_audit_entries_stay")]
    operations = [
        migrations.AddIndex(
            "chargepoint", models.Index(fields=["registered_serial_number"], name="ocpp_point_serial")
        ),
        migrations.RunPython(create, drop, atomic=False),
    ]
