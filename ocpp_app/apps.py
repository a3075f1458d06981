"""The app's configuration."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OCPPAppConfig(AppConfig):
    name = "ocpp_app"
    verbose_name = _("Charging (OCPP)")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ocpp_app import audit_trail, checks, event_lines, template_changes  # noqa: F401  registers the system checks
        from ocpp_app.transfer import checks as transfer_checks  # noqa: F401
        from ocpp_app.transfer import cleanup

        audit_trail.connect()
        cleanup.connect()
        event_lines.connect()
        template_changes.connect()
