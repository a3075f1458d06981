"""Firmware, campaigns, diagnostics and certificates from the list of charge points: choose them, fill in a form."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.form_page import form_page
from ocpp_app.campaigns import start_campaign
from ocpp_app.certificate_store import install_certificate, list_certificates
from ocpp_app.diagnostics import request_diagnostics
from ocpp_app.errors import OCPPAppError
from ocpp_app.firmware import update_firmware
from ocpp_app.models import (
    CertificateRequest,
    CertificateUse,
    ChargePoint,
    DiagnosticsKind,
    DiagnosticsTask,
    Firmware,
    FirmwareCampaign,
    FirmwareTask,
    InstalledCertificate,
)
from ocpp_app.models.campaign import AMOUNT
from ocppj.errors import PayloadError

QUEUED_FOR = timedelta(days=1)


class UpdateForm(forms.Form):
    """One by one, each as it can; or as a campaign, in waves."""

    firmware = forms.ModelChoiceField(label=gettext_lazy("Firmware"), queryset=Firmware.objects.all())
    in_waves = forms.BooleanField(
        label=gettext_lazy("As a campaign"),
        required=False,
        initial=True,
        help_text=gettext_lazy("In waves, with a stop on failures. Otherwise all at once."),
    )
    wave_size = forms.CharField(
        label=gettext_lazy("Wave"),
        initial="10%",
        validators=[AMOUNT],
        help_text=gettext_lazy("How many charge points at a time: 5, or 10%."),
    )
    failures_allowed = forms.CharField(
        label=gettext_lazy("Failures allowed"),
        initial="0",
        validators=[AMOUNT],
        help_text=gettext_lazy("With more failures than this it stops: 2, or 5%."),
    )


class DiagnosticsForm(forms.Form):
    kind = forms.ChoiceField(label=gettext_lazy("File"), choices=DiagnosticsKind.choices)
    location = forms.CharField(
        label=gettext_lazy("Location"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Where it is uploaded to, such as ftp://…; empty: here."),
    )


class CertificateForm(forms.Form):
    use = forms.ChoiceField(label=gettext_lazy("Use"), choices=CertificateUse.choices)
    pem = forms.CharField(
        label="PEM",
        required=False,
        max_length=5500,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "cols": 70}),
        help_text=gettext_lazy("The root to install. Empty: only ask what is installed."),
    )


class TaskActionsMixin(admin.ModelAdmin):
    """Each action shows its form, and with it filled in does what it says."""

    def has_firmware_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.add_firmwaretask")

    def has_diagnostics_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.add_diagnosticstask")

    def has_certificate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.add_installedcertificate")

    @admin.action(description=gettext_lazy("Update the firmware …"), permissions=["firmware"])
    def update_firmware(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = UpdateForm(request.POST if "filled_in" in request.POST else None)
        if not form.is_valid():
            explained = _("Who is not connected gets it within a day.")
            return self._task_page(request, queryset, form, "update_firmware", _("Update the firmware"), explained)
        values = form.cleaned_data
        if not values["in_waves"]:
            asked: dict[str, Any] = {"queue": True, "requested_by": request.user, "source": "admin"}
            return self._each(
                request, queryset, FirmwareTask, lambda row: update_firmware(row, values["firmware"], **asked)
            )
        try:
            campaign = start_campaign(
                values["firmware"],
                _chosen(queryset),
                wave_size=values["wave_size"],
                failures_allowed=values["failures_allowed"],
                requested_by=request.user,
            )
        except OCPPAppError as error:
            form.add_error(None, str(error))
            return self._task_page(request, queryset, form, "update_firmware", _("Update the firmware"), "")
        self.log_addition(request, campaign, [{"added": {}}])
        self.message_user(request, _("The campaign has begun; this page shows how far it is."), messages.SUCCESS)
        return HttpResponseRedirect(self._page_of(FirmwareCampaign, "change", campaign.pk))

    @admin.action(description=gettext_lazy("Ask for diagnostics or a log …"), permissions=["diagnostics"])
    def ask_for_diagnostics(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = DiagnosticsForm(request.POST if "filled_in" in request.POST else None)
        if not form.is_valid():
            title, explained = _("Ask for diagnostics or a log"), _("Who is not connected is asked within a day.")
            return self._task_page(request, queryset, form, "ask_for_diagnostics", title, explained)
        asked: dict[str, Any] = {**form.cleaned_data, "queue": True, "requested_by": request.user, "source": "admin"}
        return self._each(request, queryset, DiagnosticsTask, lambda row: request_diagnostics(row, **asked))

    @admin.action(description=gettext_lazy("Install a root certificate, or list them …"), permissions=["certificate"])
    def manage_certificates(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        form = CertificateForm(request.POST if "filled_in" in request.POST else None)
        if not form.is_valid():
            title, explained = _("Root certificates"), _("Who is not connected is asked within a day.")
            return self._task_page(request, queryset, form, "manage_certificates", title, explained)
        use, pem = form.cleaned_data["use"], form.cleaned_data["pem"]
        asked: dict[str, Any] = {
            "expires_at": timezone.now() + QUEUED_FOR,
            "requested_by": request.user,
            "source": "admin",
        }

        def ask(row: ChargePoint) -> Any:
            return install_certificate(row, use, pem, **asked) if pem else list_certificates(row, use, **asked)

        return self._each(request, queryset, InstalledCertificate, ask)

    def _each(
        self, request: HttpRequest, queryset: QuerySet, shown: Any, ask: Callable[[ChargePoint], Any]
    ) -> HttpResponse:
        """Ask each of them; one that cannot be asked costs the others nothing, and says why."""
        refusals: Counter[str] = Counter()
        asked = 0
        for charge_point in _chosen(queryset):
            try:
                ask(charge_point)
                asked += 1
            except PayloadError as error:
                refusals[error.description] += 1
            except OCPPAppError as error:
                refusals[str(error)] += 1
        for text, count in refusals.most_common(10):
            self.message_user(request, text if count == 1 else f"{count} × {text}", messages.ERROR)
        if asked:
            text = ngettext("%d charge point is asked.", "%d charge points are asked.", asked) % asked
            self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(self._page_of(shown, "changelist"))

    def _task_page(
        self, request: HttpRequest, queryset: QuerySet, form: forms.Form, action: str, title: str, explained: str
    ) -> HttpResponse:
        count = queryset.count()
        return form_page(
            self,
            request,
            "chargepoint/task.html",
            form,
            title=title,
            submit=_("Go on"),
            action=action,
            explained=explained,
            recipients=ngettext("To %d charge point.", "To %d charge points.", count) % count,
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
            select_across=request.POST.get("select_across", "0"),
        )

    def _page_of(self, model: Any, page: str, *key: Any) -> str:
        return reverse(f"{self.admin_site.name}:ocpp_app_{model._meta.model_name}_{page}", args=key)


def _chosen(queryset: QuerySet) -> list[ChargePoint]:
    return list(ChargePoint.objects.filter(pk__in=queryset.order_by().values("pk")).order_by("identity"))


TASK_MODELS = (FirmwareTask, DiagnosticsTask, InstalledCertificate, CertificateRequest)
"""What belongs to a charge point and has a list that can be narrowed to it."""
