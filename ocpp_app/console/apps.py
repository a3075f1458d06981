"""The configuration of the console."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConsoleConfig(AppConfig):
    name = "ocpp_app.console"
    label = "ocpp_console"
    verbose_name = _("Console")
