"""Firmware that is kept here, and its way to many charge points, wave by wave."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from ocpp_app import campaigns as rollouts
from ocpp_app import firmware_files
from ocpp_app.access import visible
from ocpp_app.console.editing import delete as ask_to_delete
from ocpp_app.console.editing import edit, require_to_add
from ocpp_app.console.forms import OwnedForm
from ocpp_app.console.lists import page_of
from ocpp_app.console.targets import TargetsForm
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, show, signed_in
from ocpp_app.errors import CertificateInvalid, OCPPAppError
from ocpp_app.models import CampaignTarget, Firmware, FirmwareCampaign, Scope, TargetState
from ocpp_app.models.campaign import AMOUNT, campaign_outcomes
from ocpp_app.translation import tell

FIRMWARE = 50
CHANGES: dict[str, Callable[[FirmwareCampaign, Any], FirmwareCampaign]] = {
    "pause": lambda row, _given: rollouts.pause_campaign(row),
    "resume": lambda row, given: rollouts.resume_campaign(row, failures_allowed=given.get("failures_allowed", "")),
    "cancel": lambda row, _given: rollouts.cancel_campaign(row),
}
DONE = {
    "pause": gettext_lazy("Nobody else begins. Those that have begun go on."),
    "resume": gettext_lazy("It goes on."),
    "cancel": gettext_lazy("It is ended. Those that have begun go on."),
}


class FirmwareForm(OwnedForm):
    class Meta:
        model = Firmware
        fields = ("file", "version", "vendor", "model", "organisation", "note", "signing_certificate", "signature")
        widgets = {
            "note": forms.Textarea(attrs={"rows": 2}),
            "signing_certificate": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
            "signature": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        }

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and not file.size:
            raise forms.ValidationError(_("The file is empty."))
        return file

    def clean(self) -> Any:
        cleaned = super().clean()
        certificate, signature = (self.cleaned_data.get(name, "") for name in ("signing_certificate", "signature"))
        try:
            firmware_files.check_signature(certificate, signature)
        except CertificateInvalid as error:
            self.add_error("signing_certificate", tell(error))
        except ValueError as error:
            self.add_error("signature", tell(error))
        return cleaned


class CampaignForm(TargetsForm):
    """Which firmware, for whom, and how carefully."""

    firmware = forms.ModelChoiceField(label=gettext_lazy("Firmware"), queryset=Firmware.objects.none())
    name = forms.CharField(
        label=gettext_lazy("Name"), required=False, max_length=200, help_text=gettext_lazy("Empty: firmware and date.")
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
    hours_per_charge_point = forms.IntegerField(
        label=gettext_lazy("Hours for each"),
        initial=24,
        min_value=1,
        max_value=24 * 90,
        help_text=gettext_lazy("How long a charge point may take, also to come online; then it counts as failed."),
    )
    field_order = ("firmware", "group", "identities", "wave_size", "failures_allowed", "hours_per_charge_point", "name")

    def __init__(self, request: Any, **kwargs: Any) -> None:
        super().__init__(request, **kwargs)
        field: Any = self.fields["firmware"]
        field.queryset = visible(Firmware.objects.order_by("vendor", "model", "-pk"), request.access)


@signed_in
def campaigns(request: ConsoleRequest) -> HttpResponse:
    """How far each campaign is; and the firmware that is kept."""
    rows = visible(FirmwareCampaign.objects.select_related("firmware", "organisation"), request.access)
    page = page_of(rows.order_by("-pk"), request, 20)
    campaign_outcomes(page.rows)
    kept = visible(Firmware.objects.select_related("organisation"), request.access).order_by("-pk")[:FIRMWARE]
    context = {
        "page": page,
        "firmware": kept,
        "may_start": _may_start(request),
        "may_add": request.access.may_somewhere(Scope.ADMIN, "ocpp_app.add_firmware"),
        "section": "campaigns",
    }
    return show(request, "campaigns.html", context)


@signed_in
def start(request: ConsoleRequest) -> HttpResponseBase:
    """Which firmware goes to whom; begun, its progress."""
    if not _may_start(request):
        raise PermissionDenied(_("To update firmware one needs the role “operator” in an organisation."))
    form = CampaignForm(request)
    if request.method == "POST" and form.is_valid():
        campaign = _start(request, form)
        if campaign is not None:
            return redirect("console:campaign", campaign.pk)
    context = {
        "form": form,
        "heading": _("Update firmware"),
        "text": _("Charge points that have this version already, or for which it is not made, are left out."),
        "submit": _("Begin"),
        "section": "campaigns",
        "back_url": reverse("console:campaigns"),
    }
    return show(request, "form.html", context)


def _start(request: Any, form: CampaignForm) -> FirmwareCampaign | None:
    values = form.cleaned_data
    require(request, Scope.OPERATE, values["firmware"], "ocpp_app.add_firmwarecampaign")
    try:
        return rollouts.start_campaign(
            values["firmware"],
            values["group"] or values["identities"],
            name=values["name"],
            wave_size=values["wave_size"],
            failures_allowed=values["failures_allowed"],
            hours_per_charge_point=values["hours_per_charge_point"],
            requested_by=request.user,
        )
    except ValidationError as error:
        form.add_error(None, ValidationError(error.messages))
    except OCPPAppError as error:
        form.add_error(None, tell(error))
    return None


@signed_in
def campaign(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What has become of each charge point, wave by wave."""
    row = find(request, FirmwareCampaign.objects.select_related("firmware", "organisation", "requested_by"), pk=pk)
    targets = CampaignTarget.objects.filter(campaign=row).select_related("charge_point", "task")
    size = sum(row.outcomes.values())
    unfinished = sum(row.outcomes.get(state, 0) for state in (TargetState.WAITING, TargetState.RUNNING))
    context = {
        "row": row,
        "outcomes": [(TargetState(state).label, state, count) for state, count in sorted(row.outcomes.items())],
        "size": size,
        "done": size - unfinished,
        "page": page_of(targets.order_by("wave", "charge_point__identity"), request),
        "may_change": may(request, Scope.OPERATE, row),
        "section": "campaigns",
    }
    return show(request, "campaign.html", context)


@require_POST
@signed_in
def campaign_change(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Pause, resume or cancel."""
    row = find(request, FirmwareCampaign.objects.all(), Scope.OPERATE, pk=pk)
    name = request.POST.get("do", "")
    if name not in CHANGES:
        raise Http404
    try:
        CHANGES[name](row, request.POST)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except OCPPAppError as error:
        messages.error(request, tell(error))
    else:
        messages.success(request, str(DONE[name]))
    return redirect("console:campaign", pk)


@signed_in
def firmware_add(request: ConsoleRequest) -> HttpResponseBase:
    """Keep a file for charge points to fetch."""
    require_to_add(request, Firmware)
    data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = FirmwareForm(data, files, access=request.access)

    def save() -> None:
        row = form.save(commit=False)
        firmware_files.describe(row, row.file, row.file.name)
        row.uploaded_by = request.user
        row.save()

    text = _("Vendor and model as charge points report them; an * stands for anything.")
    return edit(request, form, heading=_("Keep firmware"), section="campaigns", save=save, text=text)


@signed_in
def firmware_delete(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, Firmware.objects.all(), pk=pk)
    return ask_to_delete(
        request, row, "campaigns", [_("Its file goes, too. Firmware of a campaign cannot be deleted.")]
    )


def _may_start(request: Any) -> bool:
    return bool(request.access.may_somewhere(Scope.OPERATE, "ocpp_app.add_firmwarecampaign"))
