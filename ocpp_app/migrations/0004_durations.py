"""The duration of the transactions that ended before there was a column for it."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

AT_ONCE = 1000


def reckon(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    transactions = apps.get_model("ocpp_app", "Transaction").objects.filter(duration_s=None, stopped_at__isnull=False)
    while some := list(transactions.only("started_at", "stopped_at")[:AT_ONCE]):
        for row in some:
            row.duration_s = max(0, int((row.stopped_at - row.started_at).total_seconds()))
        transactions.model.objects.bulk_update(some, ("duration_s",))


class Migration(migrations.Migration):
    dependencies = [("ocpp_app", "0003_billing")]
    operations = [migrations.RunPython(reckon, migrations.RunPython.noop, elidable=True)]
