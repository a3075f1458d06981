"""Firmware files that this central system hosts."""

from fnmatch import fnmatchcase

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.files import get_private_files
from ocpp_app.models.organisation import Organisation, default_organisation_id


class Firmware(models.Model):
    """A firmware image with the version that a charge point reports once it is installed, and for whom it is."""

    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="firmware", default=default_organisation_id, db_index=False
    )
    vendor = models.CharField(
        _("vendor"), max_length=255, blank=True, help_text=_("As charge points report it; * stands for anything.")
    )
    model = models.CharField(
        _("model"), max_length=255, blank=True, help_text=_("As charge points report it; * stands for anything.")
    )
    version = models.CharField(
        _("version"),
        max_length=50,
        help_text=_("What BootNotification reports as firmwareVersion once it is installed."),
    )
    file = models.FileField(_("file"), storage=get_private_files, upload_to="firmware/", max_length=255)
    file_name = models.CharField(
        _("file name"), max_length=100, editable=False, help_text=_("The end of the address that charge points get.")
    )
    size = models.PositiveBigIntegerField(_("size (bytes)"), editable=False)
    sha256 = models.CharField("SHA-256", max_length=64, editable=False)
    signing_certificate = models.TextField(
        _("signing certificate"),
        blank=True,
        max_length=5500,
        help_text=_("The manufacturer's, PEM; with it and the signature, the update is signed (whitepaper L01)."),
    )
    signature = models.TextField(
        _("signature"), blank=True, max_length=800, help_text=_("Base64, over the whole file, from the manufacturer.")
    )
    note = models.TextField(_("note"), blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("firmware")
        verbose_name_plural = _("firmware")
        ordering = ("vendor", "model", "-created_at")
        constraints = (
            models.UniqueConstraint(
                fields=("organisation", "vendor", "model", "version"),
                name="ocpp_firmware_version",
                violation_error_message=_("There is firmware with this version for this vendor and model already."),
            ),
        )

    def __str__(self) -> str:
        return " ".join(filter(None, (self.vendor, self.model, self.version)))

    @property
    def is_signed(self) -> bool:
        """Whether it can be sent with SignedUpdateFirmware."""
        return bool(self.signing_certificate and self.signature)

    def is_for(self, charge_point: ChargePoint) -> bool:
        """Whether it is made for this charge point, as far as vendor and model say so."""
        pairs = ((self.vendor, charge_point.vendor), (self.model, charge_point.model))
        return all(not wanted or fnmatchcase(reported.lower(), wanted.lower()) for wanted, reported in pairs)
