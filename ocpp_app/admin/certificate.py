"""Certificates: what is installed on charge points, and what they asked us to sign. Evidence."""

from datetime import timedelta

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import BAD, BUSY, GOOD, IDLE, WARNING, badge, code
from ocpp_app.admin.filters import linked, yes_no
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.certificate_store import delete_certificate
from ocpp_app.errors import OCPPAppError
from ocpp_app.models import CertificateRequest, ChargePoint, InstalledCertificate, RequestState
from ocppj.errors import PayloadError

QUEUED_FOR = timedelta(days=1)
REQUEST_TONES = {
    RequestState.ACCEPTED: WARNING,
    RequestState.SIGNED: BUSY,
    RequestState.INSTALLED: GOOD,
    RequestState.REFUSED: BAD,
    RequestState.FAILED: BAD,
}


@admin.register(InstalledCertificate)
class InstalledCertificateAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = (
        "charge_point_link",
        "use",
        "subject",
        "serial_number",
        "installed",
        "not_after",
        "seen_at",
    )
    list_display_links = ("use", "serial_number")
    list_filter = (
        "use",
        yes_no("installed", gettext_lazy("installed"), Q(removed_at=None)),
        linked("charge_point", ChargePoint),
    )
    list_select_related = ("charge_point",)
    actions = ("delete_there",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a serial number; a subject.")
    fields = (
        ("charge_point", "use"),
        ("installed", "removed_at"),
        ("subject", "not_after"),
        "serial_number",
        ("hash_algorithm", "issuer_name_hash", "issuer_key_hash"),
        ("installed_at", "seen_at"),
        "pem_shown",
    )

    def other(self, word: str) -> Q:
        return Q(serial_number__iexact=word) | Q(subject__icontains=word)

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.delete_installedcertificate")

    @admin.action(description=gettext_lazy("Delete on the charge point"), permissions=["ask"])
    def delete_there(self, request: HttpRequest, queryset: QuerySet) -> None:
        """The charge point decides; a root of the central system that it needs now it keeps (M04.FR.06)."""
        expires_at = timezone.now() + QUEUED_FOR
        for row in queryset.select_related("charge_point"):
            try:
                delete_certificate(row, expires_at=expires_at, requested_by=request.user, source="admin")
            except (PayloadError, OCPPAppError, ValueError) as error:
                self.message_user(request, f"{row.charge_point}: {error}", messages.ERROR)
                continue
            self.log_change(request, row, _("Asked the charge point to delete it."))
            self.message_user(request, _("%s is asked to delete it.") % row.charge_point, messages.SUCCESS)

    @admin.display(description=gettext_lazy("state"), ordering="removed_at")
    def installed(self, obj: InstalledCertificate) -> str:
        gone = obj.removed_at is not None
        return badge(gettext_lazy("gone") if gone else gettext_lazy("installed"), IDLE if gone else GOOD)

    @admin.display(description="PEM")
    def pem_shown(self, obj: InstalledCertificate) -> str:
        return code(obj.pem)


@admin.register(CertificateRequest)
class CertificateRequestAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("created_at", "charge_point_link", "subject", "state_shown", "detail", "not_after", "finished_at")
    list_display_links = ("created_at", "subject")
    list_filter = ("state", linked("charge_point", ChargePoint))
    list_select_related = ("charge_point",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a subject; a serial number.")
    fields = (
        ("charge_point", "subject"),
        "state_shown",
        "detail",
        ("serial_number", "not_after"),
        ("attempts", "not_before"),
        "command",
        ("created_at", "signed_at", "finished_at"),
        "csr_shown",
        "chain_shown",
    )

    def other(self, word: str) -> Q:
        return Q(subject__icontains=word) | Q(serial_number__iexact=word)

    @admin.display(description=CertificateRequest._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: CertificateRequest) -> str:
        return badge(obj.get_state_display(), REQUEST_TONES[RequestState(obj.state)])

    @admin.display(description=CertificateRequest._meta.get_field("csr").verbose_name)
    def csr_shown(self, obj: CertificateRequest) -> str:
        return code(obj.csr)

    @admin.display(description=CertificateRequest._meta.get_field("certificate_chain").verbose_name)
    def chain_shown(self, obj: CertificateRequest) -> str:
        return code(obj.certificate_chain)
