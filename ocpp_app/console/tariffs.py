"""Tariffs with the windows of the day and the week that have prices of their own."""

from typing import Any

from django import forms
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.forms import inlineformset_factory
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from ocpp_app.access import visible
from ocpp_app.console.editing import delete as ask_to_delete
from ocpp_app.console.editing import require_in, require_to_add
from ocpp_app.console.forms import OwnedForm
from ocpp_app.console.lists import page_of
from ocpp_app.console.visitor import ConsoleRequest, find, show, signed_in
from ocpp_app.models import Scope, Tariff, TariffWindow

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class TariffForm(OwnedForm):
    class Meta:
        model = Tariff
        fields = (
            "name",
            "organisation",
            "currency",
            "price_per_kwh",
            "price_per_minute",
            "price_per_start",
            "idle_price_per_minute",
            "idle_grace_minutes",
            "time_zone",
            "is_default",
            "note",
        )
        widgets = {"note": forms.Textarea(attrs={"rows": 2})}

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()


class Clock(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


WindowFormSet: Any = inlineformset_factory(
    Tariff,
    TariffWindow,
    fields=(
        "name",
        "position",
        *DAYS,
        "starts_at",
        "ends_at",
        "price_per_kwh",
        "price_per_minute",
        "idle_price_per_minute",
    ),
    widgets={"starts_at": Clock(), "ends_at": Clock()},
    extra=1,
    max_num=50,
)


@signed_in
def tariffs(request: ConsoleRequest) -> HttpResponse:
    """What charging costs."""
    rows = visible(Tariff.objects.select_related("organisation"), request.access)
    page = page_of(rows.annotate(window_count=Count("windows")).order_by("name", "pk"), request)
    may_add = request.access.may_somewhere(Scope.ADMIN, "ocpp_app.add_tariff")
    return show(request, "tariffs.html", {"page": page, "may_add": may_add})


@signed_in
def add(request: ConsoleRequest) -> HttpResponseBase:
    require_to_add(request, Tariff)
    return _edit(request, None, _("A new tariff"))


@signed_in
def change(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, Tariff.objects.select_related("organisation"), pk=pk)
    require_in(request, row, "change")
    return _edit(request, row, row.name)


@signed_in
def delete(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, Tariff.objects.all(), pk=pk)
    return ask_to_delete(request, row, "tariffs", [_("Transactions that began with it keep its terms.")])


def _edit(request: Any, row: Tariff | None, heading: str) -> HttpResponseBase:
    data = request.POST if request.method == "POST" else None
    form = TariffForm(data, instance=row, access=request.access)
    windows = WindowFormSet(data, instance=form.instance if data is not None else row or Tariff())
    if data is not None and form.is_valid() and windows.is_valid():
        try:
            with transaction.atomic():
                windows.instance = form.save()
                windows.save()
        except IntegrityError:
            form.add_error(None, _("The organisation has a tariff of this name, or another default, already."))
        else:
            return redirect("console:tariffs")
    context = {"form": form, "windows": windows, "heading": heading, "row": row, "section": "tariffs", "days": DAYS}
    return show(request, "tariff.html", context)
