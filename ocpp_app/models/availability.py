"""Which connectors are to be used, and which are not."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import Connector


class Availability(models.TextChoices):
    """AvailabilityType (OCPP 1.6 §7.3)."""

    OPERATIVE = "Operative", _("Operative: may be used")
    INOPERATIVE = "Inoperative", _("Inoperative: out of use")


class AvailabilityState(models.TextChoices):
    """How far a wanted availability has come."""

    TO_SEND = "to_send", _("to be sent")
    SENT = "sent", _("sent")
    ACCEPTED = "accepted", _("accepted: the connector has not reported it yet")
    SCHEDULED = "scheduled", _("scheduled: after the transaction that is going on")
    IN_FORCE = "in_force", _("in force")
    REJECTED = "rejected", _("rejected by the charge point")
    FAILED = "failed", _("failed: no answer, or a CALLERROR")
    DRIFTED = "drifted", _("drifted: the connector reports otherwise")


class ConnectorAvailability(models.Model):
    """The wanted availability of a connector; connector 0 is the charge point with all its connectors (§5.2)."""

    connector = models.OneToOneField(Connector, models.CASCADE, related_name="availability")
    wanted = models.CharField(_("wanted"), max_length=20, choices=Availability.choices)
    state = models.CharField(_("state"), max_length=20, choices=AvailabilityState.choices)
    state_since = models.DateTimeField(_("since"))
    detail = models.CharField(_("detail"), max_length=255, blank=True, default="")
    command_id = models.UUIDField(_("command"), null=True, default=None)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("wanted since"))

    class Meta:
        verbose_name = _("availability")
        verbose_name_plural = _("availabilities")
        ordering = ("connector",)

    def __str__(self) -> str:
        return f"{self.connector} {self.wanted}"
