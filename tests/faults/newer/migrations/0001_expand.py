"""Expand: a column that may be empty, which the older version neither knows nor minds."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ocpp_app", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE ocpp_app_message ADD COLUMN newer_note text NULL",
            "ALTER TABLE ocpp_app_message DROP COLUMN newer_note",
        )
    ]
