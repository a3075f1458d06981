"""What is written for every frame is no longer looked up once more for each row.

The database compared each message with its charge point, and each meter value and status with its connector, one by
one, at the end of every batch: an eighth of its time. A worker has locked the charge point by then, and so has whoever
deletes one (``ChargePoint.delete``). SQLite, whose tables would have to be copied for it, goes on as before.
"""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


class AlterField(migrations.AlterField):
    """Changes nothing on SQLite."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "sqlite":
            # As workers do it: then the two cannot wait for each other.
            schema_editor.execute("LOCK TABLE ocpp_app_chargepoint IN ACCESS EXCLUSIVE MODE")
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    dependencies = (("ocpp_app", "0027_lean_indexes"),)
    operations = (
        AlterField(
            model_name="message",
            name="charge_point",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="ocpp_app.chargepoint",
            ),
        ),
        AlterField(
            model_name="metervalue",
            name="connector",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="meter_values",
                to="ocpp_app.connector",
            ),
        ),
        AlterField(
            model_name="statushistory",
            name="connector",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="status_history",
                to="ocpp_app.connector",
            ),
        ),
    )
