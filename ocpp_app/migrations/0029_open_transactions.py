"""Open transactions are found by their charge point, for every batch; before, by each of its connectors.

Nobody is kept from writing meanwhile. Interrupted, it can be run again.
"""

from typing import Any

from django.db import migrations, models


class AddIndex(migrations.AddIndex):
    """Adds an index while rows are written."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.vendor == "postgresql":
            # Left invalid by a run that was interrupted.
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
            schema_editor.add_index(model, self.index, concurrently=True)
        else:
            schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(self.index.name)}")
            schema_editor.add_index(model, self.index)


class RemoveIndex(migrations.RemoveIndex):
    """Removes one that may be gone already."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            concurrently = "CONCURRENTLY " if schema_editor.connection.vendor == "postgresql" else ""
            schema_editor.execute(f"DROP INDEX {concurrently}IF EXISTS {schema_editor.quote_name(self.name)}")


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("ocpp_app", "0028_fewer_foreign_keys"),)
    operations = (
        AddIndex(
            model_name="transaction",
            index=models.Index(condition=models.Q(("is_active", True)), fields=["charge_point"], name="ocpp_tx_open"),
        ),
        RemoveIndex(model_name="transaction", name="ocpp_tx_active"),
    )
