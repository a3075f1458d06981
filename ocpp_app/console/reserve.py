"""Hold a connector for an idTag."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.console.forms import Local
from ocpp_app.console.visitor import ConsoleRequest, find, require, show, signed_in
from ocpp_app.console.words import explain
from ocpp_app.errors import OCPPAppError
from ocpp_app.models import ChargePoint, Scope
from ocpp_app.reservations import reserve as ask_for
from ocpp_app.translation import tell
from ocppj.errors import PayloadError


class ReserveForm(forms.Form):
    connector = forms.IntegerField(
        label=gettext_lazy("Connector"),
        min_value=0,
        max_value=1000,
        help_text=gettext_lazy("0: any; few charge points can."),
    )
    id_tag = forms.CharField(label=gettext_lazy("idTag"), max_length=20)
    expires_at = forms.DateTimeField(label=gettext_lazy("Until"), widget=Local)

    def clean_expires_at(self) -> object:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at <= timezone.now():
            raise forms.ValidationError(_("That time has passed. Choose a later one."))
        return expires_at


@signed_in
def reserve(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """The form; after it, the charge point's page with the reservation."""
    charge_point = find(request, ChargePoint.objects.all(), pk=pk)
    require(request, Scope.OPERATE, charge_point, "ocpp_app.add_command")
    in_an_hour = timezone.localtime() + timedelta(hours=1)
    initial = {
        "connector": request.GET.get("connector", "1")[:9],
        "expires_at": in_an_hour.replace(second=0, microsecond=0),
    }
    form = ReserveForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            row = ask_for(
                charge_point,
                data["connector"],
                data["id_tag"],
                data["expires_at"],
                queue=True,
                requested_by=request.user,
                source="console",
            )
        except (OCPPAppError, PayloadError, ValueError) as error:
            form.add_error(None, tell(error) if isinstance(error, ValueError) else explain(error, charge_point))
        else:
            messages.success(request, _("The charge point is asked for reservation %d.") % row.pk)
            return redirect("console:charge-point", pk)
    return show(
        request,
        "form.html",
        {
            "form": form,
            "heading": _("Reserve a connector of %s") % charge_point,
            "submit": _("Reserve"),
            "section": "charge-points",
            "back_url": reverse("console:charge-point", args=(pk,)),
        },
    )
