"""Charging profiles, and the charge points that are to have them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.forms import inlineformset_factory
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from ocpp_app import charging_profiles
from ocpp_app.access import visible
from ocpp_app.admin.charging_profile import PeriodFormSet
from ocpp_app.console.command import drawing_of
from ocpp_app.console.editing import delete as ask_to_delete
from ocpp_app.console.editing import require_in, require_to_add
from ocpp_app.console.forms import Local, OwnedForm
from ocpp_app.console.lists import page_of
from ocpp_app.console.targets import TargetsForm
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, show, signed_in
from ocpp_app.models import (
    ChargingProfile,
    ChargingProfilePeriod,
    InstallationState,
    ProfileAssignment,
    ProfileInstallation,
    Scope,
)

ASSIGNED = 200
"""So many places of a profile are shown on its page."""


class ProfileForm(OwnedForm):
    class Meta:
        model = ChargingProfile
        fields = (
            "description",
            "organisation",
            "purpose",
            "stack_level",
            "kind",
            "recurrency_kind",
            "start_schedule",
            "charging_rate_unit",
            "duration_s",
            "min_charging_rate",
            "valid_from",
            "valid_to",
        )
        widgets = {"start_schedule": Local(), "valid_from": Local(), "valid_to": Local()}


Periods: Any = inlineformset_factory(
    ChargingProfile,
    ChargingProfilePeriod,
    formset=PeriodFormSet,
    fields=("start_period_s", "limit", "number_phases"),
    extra=2,
    max_num=100,
)


class AssignForm(TargetsForm):
    connector = forms.IntegerField(
        label=gettext_lazy("Connector"),
        initial=0,
        min_value=0,
        max_value=2**31 - 1,
        help_text=gettext_lazy(
            "0: the whole charge point (ChargePointMaxProfile), or every connector (TxDefaultProfile)."
        ),
    )


@signed_in
def profiles(request: ConsoleRequest) -> HttpResponse:
    """What there is, and where."""
    rows = visible(ChargingProfile.objects.select_related("organisation"), request.access)
    shown = rows.annotate(assigned=Count("assignments", distinct=True)).order_by("description", "pk")
    page = page_of(shown.prefetch_related("periods"), request)
    _count_installed(page.rows)
    may_add = request.access.may_somewhere(Scope.ADMIN, "ocpp_app.add_chargingprofile")
    return show(request, "profiles.html", {"page": page, "may_add": may_add, "section": "profiles"})


def _count_installed(rows: list[Any]) -> None:
    installed = ProfileInstallation.objects.installed().filter(charging_profile__in=rows).order_by()
    counts = dict(installed.values_list("charging_profile").annotate(Count("pk")))
    for row in rows:
        row.installed = counts.get(row.pk, 0)


@signed_in
def add(request: ConsoleRequest) -> HttpResponseBase:
    require_to_add(request, ChargingProfile)
    return _edit(request, None, _("A new charging profile"))


@signed_in
def change(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, ChargingProfile.objects.select_related("organisation"), pk=pk)
    require_in(request, row, "change")
    return _edit(request, row, row.description)


def _edit(request: Any, row: ChargingProfile | None, heading: str) -> HttpResponseBase:
    data = request.POST if request.method == "POST" else None
    form = ProfileForm(data, instance=row, access=request.access)
    periods = Periods(data, instance=form.instance if data is not None else row or ChargingProfile())
    if data is not None and form.is_valid() and periods.is_valid():
        with transaction.atomic():
            periods.instance = form.save()
            periods.save()
        messages.success(request, _("Saved."))
        return redirect("console:profile", form.instance.pk)
    context = {"form": form, "periods": periods, "heading": heading, "row": row, "section": "profiles"}
    return show(request, "profile_form.html", context)


@signed_in
def profile(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """One: how it limits, where it is to be, what became of it there; and where else it shall be."""
    row = find(request, ChargingProfile.objects.select_related("organisation"), pk=pk)
    may_assign = may(request, Scope.OPERATE, row)
    form = AssignForm(request)
    if request.method == "POST":
        require(request, Scope.OPERATE, row)
        if form.is_valid() and _assign(request, row, form):
            return redirect("console:profile", pk)
    places = ProfileAssignment.objects.filter(charging_profile=row).select_related("charge_point", "group")
    installations = ProfileInstallation.objects.filter(charging_profile=row).not_ended()
    counts = installations.order_by().values_list("state").annotate(Count("pk"))
    context = {
        "row": row,
        "drawing": _drawing(row),
        "places": places.order_by("pk")[:ASSIGNED],
        "counts": [(InstallationState(state).label, state, count) for state, count in counts],
        "page": page_of(installations.select_related("charge_point").order_by("charge_point__identity", "pk"), request),
        "form": form,
        "may_assign": may_assign and row.purpose != "TxProfile",
        "may_change": may(request, Scope.ADMIN, row),
        "section": "profiles",
    }
    return show(request, "profile.html", context)


def _assign(request: Any, row: ChargingProfile, form: AssignForm) -> bool:
    group, named = form.cleaned_data["group"], form.cleaned_data["identities"]
    places: list[dict[str, Any]] = [{"group": group}] if group else [{"charge_point": one} for one in named]
    connector = form.cleaned_data["connector"]
    try:
        with transaction.atomic():
            for place in places:
                charging_profiles.assign(row, connector=connector, requested_by=request.user, **place)
    except ValidationError as error:
        form.add_error(None, ValidationError(error.messages))
        return False
    except IntegrityError:
        form.add_error(None, _("Somebody has assigned it there in this moment. Look again."))
        return False
    text = ngettext("It is assigned to %d more place.", "It is assigned to %d more places.", len(places)) % len(places)
    messages.success(request, f"{text} {_('It is sent within seconds, or when the charge point connects.')}")
    return True


@require_POST
@signed_in
def unassign(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Take it from a charge point or a group; it is cleared there."""
    row = find(request, ProfileAssignment.objects.all(), Scope.OPERATE, pk=pk)
    charging_profiles.unassign(row)
    messages.success(request, _("It is cleared there, now or when the charge point connects."))
    return redirect("console:profile", row.charging_profile_id)


@signed_in
def delete(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, ChargingProfile.objects.all(), pk=pk)
    return ask_to_delete(request, row, "profiles", [_("Charge points to which it is assigned are asked to clear it.")])


def _drawing(row: ChargingProfile) -> dict[str, Any] | None:
    periods = row.periods.order_by("start_period_s").values("start_period_s", "limit")
    schedule = {
        "chargingRateUnit": row.charging_rate_unit,
        "duration": row.duration_s,
        "chargingSchedulePeriod": [
            {"startPeriod": period["start_period_s"], "limit": float(period["limit"])} for period in periods
        ],
    }
    return drawing_of(schedule)
