"""The default organisation, and in it the tag ``anonymous`` (OCPP_AUTO_REMOTE_START)."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def create(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    organisation, _created = apps.get_model("ocpp_app", "Organisation").objects.get_or_create(
        is_default=True, defaults={"name": "Default", "slug": "default"}
    )
    apps.get_model("ocpp_app", "IdTag").objects.get_or_create(
        organisation=organisation,
        key="ANONYMOUS",
        defaults={
            "id_tag": "anonymous",
            "concurrent_limit": None,
            "note": "Charging starts with this tag when nobody showed one (OCPP_AUTO_REMOTE_START).",
        },
    )


class Migration(migrations.Migration):
    dependencies = [("ocpp_app", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
