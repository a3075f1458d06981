"""Certificates on charge points: what is installed there, and what they ask us to sign."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.command import Command


class CertificateUse(models.TextChoices):
    """CertificateUseEnumType (security whitepaper §6.4)."""

    CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate", _("root of the central system's certificate")
    MANUFACTURER_ROOT = "ManufacturerRootCertificate", _("root of the manufacturer's firmware signatures")


class InstalledCertificate(models.Model):
    """A root certificate in a charge point's store, by the hashes that the charge point tells (whitepaper §6.1)."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="installed_certificates", db_index=False)
    use = models.CharField(_("use"), max_length=50, choices=CertificateUse.choices)
    hash_algorithm = models.CharField(_("hash algorithm"), max_length=20)
    issuer_name_hash = models.CharField(_("hash of the issuer's name"), max_length=128)
    issuer_key_hash = models.CharField(_("hash of the issuer's key"), max_length=128)
    serial_number = models.CharField(_("serial number"), max_length=100)
    pem = models.TextField("PEM", blank=True, help_text=_("Empty: it was not installed from here."))
    subject = models.CharField(_("subject"), max_length=500, blank=True)
    not_after = models.DateTimeField(_("valid until"), null=True, blank=True)
    installed_at = models.DateTimeField(
        _("installed"), null=True, blank=True, help_text=_("By us. Empty: it was there, or somebody else did.")
    )
    seen_at = models.DateTimeField(
        _("last listed"), null=True, blank=True, help_text=_("By the charge point, as it was asked.")
    )
    removed_at = models.DateTimeField(_("gone since"), null=True, blank=True, help_text=_("Empty: it is installed."))

    class Meta:
        verbose_name = _("installed certificate")
        verbose_name_plural = _("installed certificates")
        ordering = ("charge_point", "use", "pk")
        indexes = (models.Index(fields=("charge_point", "use"), name="ocpp_installed_certificate"),)

    def __str__(self) -> str:
        return self.subject or f"{self.use} {self.serial_number}"


class RequestState(models.TextChoices):
    """Where a signing request stands; the first two are open."""

    ACCEPTED = "accepted", _("accepted: waits for its signature")
    SIGNED = "signed", _("signed: on its way to the charge point")
    INSTALLED = "installed", _("installed")
    REFUSED = "refused", _("refused: the request is wrong")
    FAILED = "failed", _("failed")


class CertificateRequest(models.Model):
    """A SignCertificate.req (security whitepaper A02, A03): what was asked for, and what became of it."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="certificate_requests", db_index=False)
    csr = models.TextField(_("signing request"), help_text=_("As it came."))
    subject = models.CharField(_("subject"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=RequestState.choices)
    detail = models.TextField(_("detail"), blank=True, help_text=_("What is wrong, and what to do."))
    certificate_chain = models.TextField(_("certificate chain"), blank=True)
    serial_number = models.CharField(_("serial number"), max_length=100, blank=True)
    not_after = models.DateTimeField(_("valid until"), null=True, blank=True)
    command = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="+", help_text=_("The CertificateSigned.req.")
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("received"))
    signed_at = models.DateTimeField(_("signed"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("certificate request")
        verbose_name_plural = _("certificate requests")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("charge_point", "-id"), name="ocpp_certificate_request"),
            models.Index(fields=("state", "created_at"), name="ocpp_certificate_request_state"),
        )

    def __str__(self) -> str:
        return f"{self.charge_point} {self.subject}".strip()
