from django.db import migrations

from ocpp_app.append_only import create_triggers


class Migration(migrations.Migration):
    """An entry of the audit log is neither given to another organisation nor, on SQLite, replaced."""

    dependencies = [
        ('ocpp_app', '0024_anomaly_lists'),
    ]

    operations = [
        migrations.RunPython(create_triggers, migrations.RunPython.noop),
    ]
