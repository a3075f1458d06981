"""What charge points tell of their own security (whitepaper A04); what happens at our door is ``SecurityEvent``."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint

CRITICAL_EVENTS = {
    "FirmwareUpdated": True,
    "FailedToAuthenticateAtCentralSystem": False,
    "CentralSystemFailedToAuthenticate": False,
    "SettingSystemTime": True,
    "StartupOfTheDevice": True,
    "ResetOrReboot": True,
    "SecurityLogWasCleared": True,
    "ReconfigurationOfSecurityParameters": False,
    "MemoryExhaustion": True,
    "InvalidMessages": False,
    "AttemptedReplayAttacks": False,
    "TamperDetectionActivated": True,
    "InvalidFirmwareSignature": False,
    "InvalidFirmwareSigningCertificate": False,
    "InvalidCentralSystemCertificate": False,
    "InvalidChargePointCertificate": False,
    "InvalidTLSVersion": False,
    "InvalidTLSCipherSuite": False,
}
"""The security events of the whitepaper (§8), and whether it calls them critical."""


class ChargePointSecurityEvent(models.Model):
    """One SecurityEventNotification.req, kept as it came."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="security_events", db_index=False)
    type = models.CharField(_("type"), max_length=255)
    is_critical = models.BooleanField(
        _("critical"), null=True, help_text=_("By the whitepaper (§8). Empty: its list does not have it.")
    )
    tech_info = models.CharField(_("technical information"), max_length=255, blank=True)
    timestamp = models.DateTimeField(
        _("charger time"), null=True, help_text=_("The charge point's own clock; empty: none that can be read.")
    )
    received_at = models.DateTimeField(_("received"))

    class Meta:
        verbose_name = _("security event of a charge point")
        verbose_name_plural = _("security events of charge points")
        ordering = ("-received_at", "-id")
        indexes = (models.Index(fields=("charge_point", "-received_at"), name="ocpp_charge_point_security"),)

    def __str__(self) -> str:
        return f"{self.type} {self.received_at:%Y-%m-%d %H:%M:%S}"
