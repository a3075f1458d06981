"""Transactions: the list with its filter and its CSV, one of them, and what people decide about it."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app import audit, back_office, spreadsheets
from ocpp_app.access import visible
from ocpp_app.api.transactions import thin_out
from ocpp_app.console import charts
from ocpp_app.console.forms import Day
from ocpp_app.console.message_log import Entry
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, show, signed_in
from ocpp_app.errors import TransactionError
from ocpp_app.models import Anomaly, Message, MeterValue, Scope, Transaction, key_of
from ocpp_app.translation import tell

PAGE = 50
POINTS = 400
FRAMES = 200
AROUND = timedelta(minutes=1)
"""How much more of the message log is shown before the start and after the end: the tag before, the status after."""
UNRESOLVED = Anomaly.objects.filter(transaction=OuterRef("pk"), resolved_at=None)
OF_TRANSACTIONS = (
    "StartTransaction",
    "StopTransaction",
    "MeterValues",
    "Authorize",
    "StatusNotification",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
)
COLUMNS = (
    "id",
    "charge_point",
    "connector",
    "id_tag",
    "started_at",
    "stopped_at",
    "duration_s",
    "energy_kwh",
    "cost",
    "currency",
    "stop_reason",
    "unresolved_anomalies",
)


class FilterForm(forms.Form):
    """What the list, and its CSV, are narrowed to."""

    charge_point = forms.CharField(label=gettext_lazy("Charge point"), required=False, max_length=255)
    id_tag = forms.CharField(label=gettext_lazy("idTag"), required=False, max_length=255)
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        choices=(
            ("", gettext_lazy("all")),
            ("active", gettext_lazy("charging")),
            ("ended", gettext_lazy("ended")),
            ("odd", gettext_lazy("with unresolved anomalies")),
        ),
    )
    first = forms.DateField(label=gettext_lazy("From"), required=False, widget=Day)
    last = forms.DateField(label=gettext_lazy("To"), required=False, widget=Day)

    def narrow(self, rows: QuerySet[Transaction]) -> QuerySet[Transaction]:
        """The rows that the (valid) form asks for, by the day of their start in the viewer's zone."""
        data = self.cleaned_data
        if data["charge_point"]:
            rows = rows.filter(charge_point__identity=data["charge_point"])
        if data["id_tag"]:
            rows = rows.filter(id_tag__in={data["id_tag"], key_of(data["id_tag"]), data["id_tag"].lower()})
        if data["state"] in ("active", "ended"):
            rows = rows.filter(is_active=data["state"] == "active")
        elif data["state"] == "odd":
            rows = rows.filter(Exists(UNRESOLVED), has_anomaly=True)
        if data["first"]:
            rows = rows.filter(started_at__gte=_begin(data["first"]))
        if data["last"]:
            rows = rows.filter(started_at__lt=_begin(data["last"] + timedelta(days=1)))
        return rows


def _begin(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _chosen(request: Any) -> tuple[FilterForm, QuerySet[Transaction]]:
    form = FilterForm(request.GET)
    rows = visible(Transaction.objects.select_related("charge_point", "connector"), request.access)
    return form, form.narrow(rows) if form.is_valid() else rows.none()


@signed_in
def transactions(request: ConsoleRequest) -> HttpResponse:
    """The newest first; a page ends where the next begins, nothing is counted."""
    form, rows = _chosen(request)
    before = request.GET.get("before", "")
    is_first = not (before.isdecimal() and len(before) < 10)
    if not is_first:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.annotate(is_odd=Exists(UNRESOLVED)).order_by("-pk")[: PAGE + 1])
    context = {
        "form": form,
        "rows": found[:PAGE],
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "is_first": is_first,
        "is_filtered": any(request.GET.get(name) for name in form.fields),
    }
    return show(request, "transactions.html", context)


@signed_in
def download(request: ConsoleRequest) -> StreamingHttpResponse:
    """What the filter shows, as a CSV file for a spreadsheet; times in the viewer's zone."""
    _form, rows = _chosen(request)
    zone = timezone.get_current_timezone()
    lines = spreadsheets.lines(_cells(rows.annotate(is_odd=Exists(UNRESOLVED)).order_by("-pk"), zone))
    response = StreamingHttpResponse(
        ("\ufeff" * (not number) + line for number, line in enumerate(lines)), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="transactions-{timezone.localdate()}.csv"'
    return response


def _cells(rows: Any, zone: Any) -> Iterator[tuple[Any, ...]]:
    yield COLUMNS
    for row in rows.iterator(chunk_size=1000):
        yield (
            row.pk,
            row.charge_point.identity,
            row.connector.number,
            row.id_tag,
            f"{row.started_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            f"{row.stopped_at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if row.stopped_at else "",
            row.duration_s,
            "" if row.energy_wh is None else f"{row.energy_wh / 1000:.3f}",
            "" if row.cost is None else f"{row.cost:f}",
            row.currency,
            row.stop_reason,
            "yes" if row.is_odd else "",
        )


# -- one of them ---------------------------------------------------------------------------------------------


class CloseForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("It is kept with the transaction."),
    )


class NoteForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("What was found, or decided"), max_length=10_000, widget=forms.Textarea(attrs={"rows": 3})
    )


@signed_in
def transaction(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Its curve, its cost, its anomalies, its frames."""
    rows = Transaction.objects.select_related("charge_point", "connector", "tag", "owner", "tariff", "closed_by_user")
    row = find(request, rows, pk=pk)
    context = {
        "row": row,
        "duration": (row.stopped_at or timezone.now()) - row.started_at if row.is_active or row.stopped_at else None,
        "drawing": curve_of(row),
        "anomalies": row.anomalies.select_related("resolved_by").order_by("-found_at", "-pk")[:50],
        "entries": [Entry.of(one) for one in frames_of(row)],
        "may_operate": may(request, Scope.OPERATE, row),
        "may_send": row.is_active and may(request, Scope.OPERATE, row, "ocpp_app.add_command"),
        "section": "transactions",
    }
    return show(request, "transaction.html", context)


def curve_of(row: Transaction) -> dict[str, Any] | None:
    """Power, energy and state of charge over its time, thinned out; None without meter values."""
    points = thin_out(MeterValue.objects.filter(transaction=row), POINTS)
    if len(points) < 2:
        return None
    series = [
        (charts.line(_("Power"), "kW", fill=True, least=1), _scaled(points, "power_w", 0.0)),
        (charts.line(_("Energy"), "kWh", colour="busy", least=0.1), _scaled(points, "energy_wh", row.meter_start_wh)),
        (charts.line(_("State of charge"), "%", colour="warning", top=100), _scaled(points, "soc_percent", 0.0, 1)),
    ]
    told = [(line, values) for line, values in series if any(value is not None for value in values)]
    return charts.over_time([point["at"] for point in points], *told) if told else None


def _scaled(points: list[dict[str, Any]], name: str, zero: float, by: float = 1000) -> list[float | None]:
    return [None if point[name] is None else round((point[name] - zero) / by, 3) for point in points]


def frames_of(row: Transaction) -> list[Message]:
    """The first frames of its time that have to do with transactions, by receipt: an offline start is told later."""
    first = min(row.start_received_at, row.started_at) - AROUND
    found = Message.objects.filter(charge_point=row.charge_point_id, at__gte=first)
    if not row.is_active:
        ends = (row.stop_received_at, row.stopped_at, row.last_meter_at, row.start_received_at)
        found = found.filter(at__lt=max(end for end in ends if end is not None) + AROUND)
    looked_at = found.order_by("at", "pk").values("pk")[: FRAMES * 5]
    return list(Message.objects.filter(pk__in=looked_at, action__in=OF_TRANSACTIONS).order_by("at", "pk")[:FRAMES])


@signed_in
def close(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """End one that its charge point will never stop."""
    row = find(request, Transaction.objects.select_related("charge_point"), pk=pk)
    require(request, Scope.OPERATE, row)
    form = CloseForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            back_office.close_transaction(row, form.cleaned_data["reason"], request.user)
        except TransactionError as error:
            messages.error(request, tell(error))
        else:
            audit.record("transaction closed", actor=request.user, subject=str(pk), charge_point=row.charge_point)
            messages.success(request, _("Transaction %d is closed.") % pk)
        return redirect("console:transaction", pk)
    text = _(
        "It ends here with the last register that is known; nothing is sent to the charge point. Should it stop the "
        "transaction after all, its word replaces this estimate. To stop the charging itself, use “Stop”."
    )
    heading, back = _("Close transaction %d") % pk, reverse("console:transaction", args=(pk,))
    return show(
        request,
        "form.html",
        {
            "form": form,
            "heading": heading,
            "text": text,
            "submit": _("Close"),
            "back_url": back,
            "section": "transactions",
        },
    )


@signed_in
def resolve(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Say what came of an anomaly."""
    row = find(request, Anomaly.objects.select_related("transaction__charge_point"), pk=pk)
    require(request, Scope.OPERATE, row)
    form = NoteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        done = {"resolved_at": timezone.now(), "resolved_by": request.user, "note": form.cleaned_data["note"]}
        if Anomaly.objects.filter(pk=pk, resolved_at=None).update(**done):
            messages.success(request, _("The anomaly is resolved."))
        else:
            messages.warning(request, _("Somebody has resolved it already."))
        return redirect("console:transaction", row.transaction_id)
    back = reverse("console:transaction", args=(row.transaction_id,))
    return show(
        request,
        "form.html",
        {
            "form": form,
            "heading": row.get_kind_display(),
            "text": tell(row.detail),
            "submit": _("Resolve"),
            "back_url": back,
            "section": "transactions",
        },
    )
