"""The report page: who charged how much, on the screen and as CSV."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminDateWidget
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app import reports
from ocpp_app.admin.form_page import form_page
from ocpp_app.models import Organisation, Transaction

GROUPINGS = (
    (reports.Grouping.TAG, gettext_lazy("idTag")),
    (reports.Grouping.OWNER, gettext_lazy("owner")),
    (reports.Grouping.CHARGE_POINT, gettext_lazy("charge point")),
    (reports.Grouping.SITE, gettext_lazy("site")),
    (reports.Grouping.MONTH, gettext_lazy("month")),
)


class ReportForm(forms.Form):
    by = forms.ChoiceField(label=gettext_lazy("By"), choices=GROUPINGS)
    first = forms.DateField(label=gettext_lazy("From"), widget=AdminDateWidget)
    last = forms.DateField(label=gettext_lazy("To"), widget=AdminDateWidget)
    organisation = forms.ModelChoiceField(
        label=gettext_lazy("Organisation"),
        queryset=Organisation.objects.order_by("name"),
        required=False,
        empty_label=gettext_lazy("all"),
    )

    def clean(self) -> Any:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            self.add_error("last", _("The last day is before the first; both are included."))
        return cleaned

    def report(self) -> reports.Report:
        """What the (valid) form asks for."""
        data = self.cleaned_data
        transactions = Transaction.objects.all()
        if data["organisation"] is not None:
            transactions = transactions.filter(organisation=data["organisation"])
        return reports.make(reports.Grouping(data["by"]), data["first"], data["last"], transactions=transactions)


class ReportMixin(admin.ModelAdmin):
    """A page beside the list of transactions."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.report_view)
        return [path("report/", view, name="ocpp_app_transaction_report"), *super().get_urls()]

    def report_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """The form and the report; with ``format=csv`` the report as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = timezone.localdate()
        month = {"by": reports.Grouping.TAG.value, "first": today.replace(day=1).isoformat(), "last": today.isoformat()}
        form = ReportForm({**month, **request.GET.dict()})
        report = form.report() if form.is_valid() else None
        if report is not None and request.GET.get("format") == "csv":
            return _download(report)
        query = request.GET.copy()
        query.update({**{name: value for name, value in month.items() if name not in query}, "format": "csv"})
        return form_page(
            self,
            request,
            "transaction/report.html",
            form,
            title=_("Report"),
            submit=_("Show"),
            method="get",
            report=report,
            by="" if report is None else dict(GROUPINGS)[report.by],
            query=query.urlencode(),
        )


def _download(report: reports.Report) -> StreamingHttpResponse:
    lines = reports.as_csv(report)
    response = StreamingHttpResponse(
        ("\ufeff" * (not number) + line for number, line in enumerate(lines)), content_type="text/csv; charset=utf-8"
    )
    name = f"report-{report.by}-{report.first}-{report.last}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
