"""Each row is written to fewer indexes, near their ends, and updated in its page.

- Indexes that another one begins with go, and of foreign keys that are empty in nearly every row only the rest is
  indexed; on PostgreSQL the command of a message is one of these (Django knows it as unique).
- Indexes of tables that grow rise with time: PostgreSQL leaves their pages full, those that fell half empty.
- On PostgreSQL, tables whose rows are updated all the time keep room in each page: an update that finds some there
  writes to no index at all (HOT).
- The digests of meter values begin with their time. Those of open transactions are made so here, as their
  StopTransaction may repeat them; older ones stay as they are.

Nobody is kept from writing meanwhile. Interrupted, it can be run again.
"""

from collections.abc import Sequence
from typing import Any

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

import ocpp_app.models.organisation
from ocppj.ordered import put_time_first

FILLFACTORS = {"ocpp_app_transaction": 80, "ocpp_app_chargepoint": 80, "ocpp_app_connector": 80}
"""How full an INSERT makes a page, in percent."""
AT_ONCE = 500


class Together(Operation):
    """Changes for which the models are made once, before and after all of them: for each one they take a second."""

    reduces_to_sql = False

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = operations

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.__dict__.pop("apps", None)
        for operation in self.operations:
            operation.state_forwards(app_label, state)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for operation in self.operations:
            operation.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for operation in reversed(self.operations):
            operation.database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return "; ".join(operation.describe() for operation in self.operations)


class AddIndex(migrations.AddIndex):
    """Adds an index while rows are written."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _drop(schema_editor, self.index.name)  # left invalid by a run that was interrupted
            schema_editor.add_index(model, self.index, **_concurrently(schema_editor))


class RebuildIndex(AddIndex):
    """Puts an index in the place of one of the same name, which serves until then."""

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.remove_index(app_label, self.model_name_lower, self.index.name)
        super().state_forwards(app_label, state)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        (index,) = (one.clone() for one in model._meta.indexes if one.name == self.index.name)
        if schema_editor.connection.vendor == "postgresql":
            index.name = f"{self.index.name}_new"
            _drop(schema_editor, index.name)
            schema_editor.add_index(model, index, concurrently=True)
            _drop(schema_editor, self.index.name)
            schema_editor.execute(f"ALTER INDEX {index.name} RENAME TO {self.index.name}")
        else:
            _drop(schema_editor, index.name)
            schema_editor.add_index(model, index)

    database_backwards = database_forwards


class DropIndex(migrations.AlterField):
    """Takes the index from a field and leaves the rest alone: SQLite would copy the table."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        after = to_state.apps.get_model(app_label, self.model_name)
        column = model._meta.get_field(self.name).column
        named = {index.name for index in (*model._meta.indexes, *after._meta.indexes)}
        for name in schema_editor._constraint_names(model, [column], index=True, unique=False, exclude=named):
            _drop(schema_editor, name)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            for statement in schema_editor._field_indexes_sql(model, model._meta.get_field(self.name)):
                schema_editor.execute(statement)


def _concurrently(schema_editor: Any) -> dict[str, bool]:
    return {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}


def _drop(schema_editor: Any, name: str) -> None:
    how = "CONCURRENTLY " if _concurrently(schema_editor) else ""
    schema_editor.execute(f"DROP INDEX {how}IF EXISTS {schema_editor.quote_name(name)}")


def index_the_commands_there_are(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        _drop(schema_editor, "ocpp_message_command")
        schema_editor.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY ocpp_message_command ON ocpp_app_message (command_id) "
            "WHERE command_id IS NOT NULL"
        )
        schema_editor.execute("ALTER TABLE ocpp_app_message DROP CONSTRAINT IF EXISTS ocpp_app_message_command_id_key")


def index_all_commands(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE ocpp_app_message ADD CONSTRAINT ocpp_app_message_command_id_key UNIQUE (command_id)"
        )
        _drop(schema_editor, "ocpp_message_command")


def leave_room(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table, percent in FILLFACTORS.items():
            schema_editor.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")


def fill_up(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table in FILLFACTORS:
            schema_editor.execute(f"ALTER TABLE {table} RESET (fillfactor)")


def put_times_first(apps: Any, schema_editor: Any) -> None:
    database = schema_editor.connection.alias
    open_ones = apps.get_model("ocpp_app", "Transaction").objects.using(database).filter(is_active=True)
    values = apps.get_model("ocpp_app", "MeterValue").objects.using(database)
    for key in list(open_ones.values_list("pk", flat=True)):
        found = list(values.filter(transaction=key).only("timestamp", "digest"))
        for value in found:
            value.digest = put_time_first(value.timestamp.timestamp(), value.digest.bytes)
        values.bulk_update(found, ["digest"], batch_size=AT_ONCE)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('ocpp_app', '0026_names_in_certificates'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        Together([
            AddIndex(
                model_name='chargepoint',
                index=models.Index(condition=models.Q(('registration_status', 'Pending')), fields=['registration_status'], name='ocpp_point_pending'),
            ),
            AddIndex(
                model_name='chargepoint',
                index=models.Index(condition=models.Q(('site__isnull', False)), fields=['site'], name='ocpp_point_site'),
            ),
            AddIndex(
                model_name='chargepoint',
                index=models.Index(condition=models.Q(('tariff__isnull', False)), fields=['tariff'], name='ocpp_point_tariff'),
            ),
            AddIndex(
                model_name='transaction',
                index=models.Index(condition=models.Q(('owner__isnull', False)), fields=['owner'], name='ocpp_tx_owner'),
            ),
            AddIndex(
                model_name='transaction',
                index=models.Index(condition=models.Q(('closed_by_user__isnull', False)), fields=['closed_by_user'], name='ocpp_tx_closed_by'),
            ),
            AddIndex(
                model_name='transaction',
                index=models.Index(condition=models.Q(('tariff__isnull', False)), fields=['tariff'], name='ocpp_tx_tariff'),
            ),
            DropIndex(
                model_name='campaigntarget',
                name='campaign',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='targets', to='ocpp_app.firmwarecampaign'),
            ),
            DropIndex(
                model_name='certificaterequest',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='certificate_requests', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='chargepoint',
                name='registration_status',
                field=models.CharField(choices=[('Accepted', 'Accepted'), ('Pending', 'Pending'), ('Rejected', 'Rejected')], default='Accepted', help_text='What a BootNotification is answered with. Pending: waits for approval, may do nothing else.', max_length=20, verbose_name='registration status'),
            ),
            DropIndex(
                model_name='chargepoint',
                name='site',
                field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='charge_points', to='ocpp_app.site'),
            ),
            DropIndex(
                model_name='chargepoint',
                name='tariff',
                field=models.ForeignKey(blank=True, db_index=False, help_text='What charging costs here. Empty: as its site says, or its organisation.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='charge_points', to='ocpp_app.tariff'),
            ),
            DropIndex(
                model_name='chargepointgroup',
                name='organisation',
                field=models.ForeignKey(db_index=False, default=ocpp_app.models.organisation.default_organisation_id, on_delete=django.db.models.deletion.PROTECT, related_name='charge_point_groups', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='chargepointsecurityevent',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='security_events', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='chargingprofileperiod',
                name='charging_profile',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='periods', to='ocpp_app.chargingprofile'),
            ),
            DropIndex(
                model_name='command',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='commands', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='commandbatch',
                name='organisation',
                field=models.ForeignKey(blank=True, db_index=False, help_text='Empty: the charge points belong to several.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='command_batches', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='compositeschedule',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='composite_schedules', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='configurationkey',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='configuration_keys', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='configurationtemplate',
                name='organisation',
                field=models.ForeignKey(db_index=False, default=ocpp_app.models.organisation.default_organisation_id, on_delete=django.db.models.deletion.PROTECT, related_name='configuration_templates', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='connector',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='connectors', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='diagnosticstask',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='diagnostics_tasks', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='event',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='event',
                name='organisation',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='firmware',
                name='organisation',
                field=models.ForeignKey(db_index=False, default=ocpp_app.models.organisation.default_organisation_id, on_delete=django.db.models.deletion.PROTECT, related_name='firmware', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='firmwaretask',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='firmware_tasks', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='idtag',
                name='organisation',
                field=models.ForeignKey(db_index=False, default=ocpp_app.models.organisation.default_organisation_id, on_delete=django.db.models.deletion.PROTECT, related_name='id_tags', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='installedcertificate',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='installed_certificates', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='locallistentry',
                name='local_list',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='ocpp_app.locallist'),
            ),
            DropIndex(
                model_name='membership',
                name='user',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='ocpp_memberships', to=settings.AUTH_USER_MODEL),
            ),
            DropIndex(
                model_name='message',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='metervalue',
                name='connector',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='meter_values', to='ocpp_app.connector'),
            ),
            DropIndex(
                model_name='metervalue',
                name='transaction',
                field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='meter_values', to='ocpp_app.transaction'),
            ),
            DropIndex(
                model_name='powersample',
                name='organisation',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='power_samples', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='profileassignment',
                name='charging_profile',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='assignments', to='ocpp_app.chargingprofile'),
            ),
            DropIndex(
                model_name='profileinstallation',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='profile_installations', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='quirknote',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='quirk_notes', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='reservation',
                name='organisation',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='session',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='site',
                name='organisation',
                field=models.ForeignKey(db_index=False, default=ocpp_app.models.organisation.default_organisation_id, on_delete=django.db.models.deletion.PROTECT, related_name='sites', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='statushistory',
                name='connector',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='status_history', to='ocpp_app.connector'),
            ),
            DropIndex(
                model_name='tariff',
                name='organisation',
                field=models.ForeignKey(db_index=False, default=ocpp_app.models.organisation.default_organisation_id, on_delete=django.db.models.deletion.PROTECT, related_name='tariffs', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='taskstatus',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='task_statuses', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='templatevalue',
                name='template',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='values', to='ocpp_app.configurationtemplate'),
            ),
            DropIndex(
                model_name='transaction',
                name='charge_point',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='transactions', to='ocpp_app.chargepoint'),
            ),
            DropIndex(
                model_name='transaction',
                name='closed_by_user',
                field=models.ForeignKey(blank=True, db_index=False, help_text='Who closed it in the back office.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
            ),
            DropIndex(
                model_name='transaction',
                name='organisation',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='transactions', to='ocpp_app.organisation'),
            ),
            DropIndex(
                model_name='transaction',
                name='owner',
                field=models.ForeignKey(blank=True, db_index=False, help_text='The owner of the idTag when the transaction began.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='transactions', to=settings.AUTH_USER_MODEL),
            ),
            DropIndex(
                model_name='transaction',
                name='tariff',
                field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='transactions', to='ocpp_app.tariff'),
            ),
            DropIndex(
                model_name='webhookdelivery',
                name='subscription',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='ocpp_app.webhooksubscription'),
            ),
            DropIndex(
                model_name='webhookstream',
                name='subscription',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='streams', to='ocpp_app.webhooksubscription'),
            ),
            RebuildIndex(
                model_name='command',
                index=models.Index(fields=['charge_point', 'created_at'], name='ocpp_command_history'),
            ),
            RebuildIndex(
                model_name='event',
                index=models.Index(fields=['organisation', 'id'], name='ocpp_event_organisation'),
            ),
            RebuildIndex(
                model_name='message',
                index=models.Index(fields=['charge_point', 'at'], name='ocpp_message_log'),
            ),
            RebuildIndex(
                model_name='session',
                index=models.Index(fields=['charge_point', 'connected_at'], name='ocpp_session_history'),
            ),
            RebuildIndex(
                model_name='statushistory',
                index=models.Index(fields=['connector', 'received_at'], name='ocpp_status_history'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(fields=['charge_point', 'started_at'], name='ocpp_tx_charge_point'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(fields=['organisation', 'id'], name='ocpp_tx_organisation'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(fields=['organisation', 'started_at'], name='ocpp_tx_organisation_start'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(fields=['charge_point', 'id'], name='ocpp_tx_charge_point_id'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(django.db.models.functions.text.Upper('id_tag'), models.F('id'), name='ocpp_tx_id_tag'),
            ),
            RebuildIndex(
                model_name='webhookdelivery',
                index=models.Index(fields=['subscription', 'id'], name='ocpp_delivery_log'),
            ),
            # Those of few rows once more: of two that look alike to it, SQLite takes the newer one.
            RebuildIndex(
                model_name='command',
                index=models.Index(condition=models.Q(('state__in', ['queued', 'dispatched', 'sent'])), fields=['charge_point', 'created_at'], name='ocpp_command_alive'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(condition=models.Q(('is_active', True)), fields=['organisation'], name='ocpp_tx_active_here'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(condition=models.Q(('has_anomaly', True)), fields=['organisation', 'id'], name='ocpp_tx_odd_here'),
            ),
            RebuildIndex(
                model_name='transaction',
                index=models.Index(condition=models.Q(('has_anomaly', True)), fields=['id'], name='ocpp_tx_odd'),
            ),
        ]),
        migrations.RunPython(index_the_commands_there_are, index_all_commands),
        migrations.RunPython(leave_room, fill_up),
        migrations.RunPython(put_times_first, migrations.RunPython.noop),
    ]
