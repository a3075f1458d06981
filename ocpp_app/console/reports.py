"""Who charged how much: a period, grouped, with bars, and as CSV."""

from datetime import timedelta
from typing import Any

from django import forms
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app import reports
from ocpp_app.access import visible
from ocpp_app.console.forms import Day
from ocpp_app.console.visitor import ConsoleRequest, show, signed_in
from ocpp_app.models import Transaction

GROUPINGS = (
    (reports.Grouping.TAG.value, gettext_lazy("idTag")),
    (reports.Grouping.OWNER.value, gettext_lazy("owner")),
    (reports.Grouping.CHARGE_POINT.value, gettext_lazy("charge point")),
    (reports.Grouping.SITE.value, gettext_lazy("site")),
    (reports.Grouping.MONTH.value, gettext_lazy("month")),
)
LONGEST = timedelta(days=10 * 366)
WIDTH = 100


class ReportForm(forms.Form):
    by = forms.ChoiceField(label=gettext_lazy("By"), choices=GROUPINGS)
    first = forms.DateField(label=gettext_lazy("From"), widget=Day)
    last = forms.DateField(label=gettext_lazy("To"), widget=Day)

    def clean(self) -> Any:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            self.add_error("last", _("The last day is before the first; both are included."))
        elif first and last and last - first > LONGEST:
            self.add_error("first", _("Ten years at most. Choose a later day."))
        return cleaned


@signed_in
def report(request: ConsoleRequest) -> HttpResponseBase:
    """The table with its bars; with ``format=csv`` a file."""
    today = timezone.localdate()
    month = {"by": "tag", "first": today.replace(day=1).isoformat(), "last": today.isoformat()}
    form = ReportForm({**month, **request.GET.dict()})
    made = None
    if form.is_valid():
        data = form.cleaned_data
        rows = visible(Transaction.objects.all(), request.access)
        made = reports.make(reports.Grouping(data["by"]), data["first"], data["last"], transactions=rows)
        if request.GET.get("format") == "csv":
            return _download(made)
    most = max((row.energy_wh for row in made.rows), default=0) if made else 0
    bars = [(row, row.energy_wh * WIDTH // most if most else 0) for row in made.rows] if made else []
    context = {"form": form, "report": made, "bars": bars, "by": dict(GROUPINGS)[made.by.value] if made else ""}
    return show(request, "reports.html", context)


def _download(made: reports.Report) -> StreamingHttpResponse:
    lines = ("\ufeff" * (not number) + line for number, line in enumerate(reports.as_csv(made)))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="report-{made.by}-{made.first}-{made.last}.csv"'
    return response
