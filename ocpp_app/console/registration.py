"""Forms of a charge point: a new one, and how one is treated."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from ocpp_app.console.forms import OwnedForm
from ocpp_app.models import ChargePoint

ADMINISTRATION = ("name", "site", "groups", "tariff")
TREATMENT = (
    "security_profile",
    "heartbeat_interval_s",
    "call_timeout_s",
    "unknown_id_tag",
    "auto_remote_start",
    "is_strict",
)
AS_SET = _("as the setting says")


class NewChargePointForm(OwnedForm):
    """A charge point that has not connected yet."""

    identity = forms.CharField(
        label=_("Identity"),
        max_length=255,
        validators=[RegexValidator(r"^[^/\x00-\x1f\x7f]+\Z", _("An identity has no slash in it."))],
        help_text=_("The last part of the address that it connects to. It never changes."),
    )

    class Meta:
        model = ChargePoint
        fields = ("identity", "organisation", "name", "site", "security_profile")

    def clean_identity(self) -> str:
        identity = str(self.cleaned_data["identity"])
        if ChargePoint.objects.filter(identity=identity).exists():
            raise forms.ValidationError(
                _("A charge point with this identity is registered already. Choose another one.")
            )
        return identity


class SettingsForm(OwnedForm):
    """What people decide about a charge point."""

    class Meta:
        model = ChargePoint
        fields = (*ADMINISTRATION, *TREATMENT)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("auto_remote_start", "is_strict"):
            field: Any = self.fields[name]
            field.widget.choices = [("unknown", AS_SET), ("true", _("yes")), ("false", _("no"))]
