"""Firmware that is kept here for charge points to fetch."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app import firmware_files
from ocpp_app.admin.base import Admin
from ocpp_app.admin.display import GOOD, IDLE, badge, byte_count, list_link
from ocpp_app.admin.filters import FewRelatedFilter, few_values
from ocpp_app.admin.organisation import SameOrganisationForm
from ocpp_app.errors import CertificateInvalid
from ocpp_app.models import Firmware, FirmwareTask

FIXED = ("organisation", "file")
"""What charge points may have fetched already is another firmware when it changes."""


class FirmwareForm(SameOrganisationForm):
    class Meta:
        model = Firmware
        fields = "__all__"

    def clean(self) -> Any:
        cleaned = super().clean()
        certificate = self.cleaned_data.get("signing_certificate", "")
        signature = self.cleaned_data.get("signature", "")
        try:
            firmware_files.check_signature(certificate, signature)
        except CertificateInvalid as error:
            self.add_error("signing_certificate", str(error))
        except ValueError as error:
            self.add_error("signature", str(error))
        return cleaned

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and not file.size:
            raise forms.ValidationError(_("The file is empty."))
        return file


@admin.register(Firmware)
class FirmwareAdmin(Admin):
    form = FirmwareForm
    list_display = ("version", "vendor", "model", "file_size", "signed", "updates", "organisation", "created_at")
    list_filter = (
        few_values("vendor", Firmware._meta.get_field("vendor").verbose_name),
        ("organisation", FewRelatedFilter),
    )
    list_select_related = ("organisation",)
    search_fields = ("version", "vendor", "model", "note")
    autocomplete_fields = ("organisation",)
    add_fieldsets = (
        (None, {"fields": ("file", "version", ("vendor", "model"), "organisation", "note")}),
        (
            gettext_lazy("Signature"),
            {
                "fields": ("signing_certificate", "signature"),
                "description": gettext_lazy("From the manufacturer. Without both it is sent unsigned."),
            },
        ),
    )
    fieldsets = (
        (None, {"fields": ("version", ("vendor", "model"), "organisation", "note", "updates")}),
        (gettext_lazy("File"), {"fields": ("file_name", "file_size", "sha256", "uploaded_by", "created_at")}),
        (gettext_lazy("Signature"), {"fields": ("signed", "signing_certificate", "signature")}),
    )
    readonly_fields = ("file_name", "file_size", "sha256", "uploaded_by", "created_at", "signed", "updates")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fixed = ["organisation"] if obj is not None else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            firmware_files.describe(obj, obj.file, obj.file.name)
            obj.uploaded_by = request.user
        super().save_model(request, obj, form, change)

    @admin.display(description=Firmware._meta.get_field("size").verbose_name, ordering="size")
    def file_size(self, obj: Firmware) -> str:
        return byte_count(obj.size)

    @admin.display(description=gettext_lazy("signed"))
    def signed(self, obj: Firmware) -> str:
        return badge(_("signed"), GOOD) if obj.is_signed else badge(_("unsigned"), IDLE)

    @admin.display(description=FirmwareTask._meta.verbose_name_plural)
    def updates(self, obj: Firmware) -> str:
        return list_link(FirmwareTask, FirmwareTask._meta.verbose_name_plural, firmware__id__exact=obj.pk)
