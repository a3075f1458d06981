"""idTags in and out of the admin as CSV."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.form_page import form_page
from ocpp_app.models import IdTag, Organisation, key_of
from ocpp_app.tag_csv import COLUMNS, MAX_BYTES, export_tags
from ocpp_app.tag_import import Report, import_tags

SHOWN = 200
"""How many problems, and names of tags, a report shows."""


class ImportForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV in UTF-8. The first line names the columns; only id_tag must be there."),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )
    organisation = forms.ModelChoiceField(
        label=gettext_lazy("Organisation"), queryset=Organisation.objects.order_by("name"), empty_label=None
    )
    dry_run = forms.BooleanField(
        label=gettext_lazy("Only check"), required=False, help_text=gettext_lazy("Says what would happen.")
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            text = _("The file is larger than %(megabytes)d MB. Import it in parts.")
            raise forms.ValidationError(text, params={"megabytes": MAX_BYTES // 10**6})
        return file


class TagCsvMixin(admin.ModelAdmin):
    """A page that imports, and an action that exports what is selected."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.import_view)
        return [path("import/", view, name="ocpp_app_idtag_import"), *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """The form; after it, what was imported, or everything that is wrong with the file."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None, initial={"organisation": Organisation.default()})
        report = None
        if request.method == "POST" and form.is_valid():
            organisation = form.cleaned_data["organisation"]
            data = form.cleaned_data["file"].read()
            report = import_tags(organisation, data, dry_run=form.cleaned_data["dry_run"])
            if not report.problems and not report.is_dry_run:
                self._log(request, organisation, report)
                self.message_user(request, _said(report), messages.SUCCESS)
                return HttpResponseRedirect(reverse(f"{self.admin_site.name}:ocpp_app_idtag_changelist"))
        return form_page(
            self,
            request,
            "idtag/import.html",
            form,
            title=_("Import idTags"),
            submit=_("Import"),
            columns=COLUMNS,
            report=report,
            said="" if report is None or report.problems else _said(report),
            shown=f":{SHOWN}",
            shown_number=SHOWN,
        )

    def _log(self, request: HttpRequest, organisation: Organisation, report: Report) -> None:
        message = _("Imported from a file.")
        for flag, names in ((ADDITION, report.created), (CHANGE, report.changed)):
            keys = [key_of(name) for name in names]
            for start in range(0, len(keys), SHOWN):
                rows = IdTag.objects.filter(organisation=organisation, key__in=keys[start : start + SHOWN])
                actor: Any = request.user.pk
                LogEntry.objects.log_actions(actor, rows, flag, message, single_object=False)

    @admin.action(description=gettext_lazy("Export as CSV"), permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet) -> StreamingHttpResponse:
        response = StreamingHttpResponse(
            ("\ufeff" * (number == 0) + line for number, line in enumerate(export_tags(queryset))),
            content_type="text/csv; charset=utf-8",
        )
        response["Content-Disposition"] = 'attachment; filename="id-tags.csv"'
        return response


def _said(report: Report) -> str:
    counts = {"created": len(report.created), "changed": len(report.changed), "unchanged": report.unchanged}
    if report.is_dry_run:
        return _("%(created)d would be new, %(changed)d changed, %(unchanged)d stay as they are.") % counts
    return _("%(created)d are new, %(changed)d changed, %(unchanged)d stayed as they were.") % counts
