"""A charge point on its way to a new key or a higher security profile."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint, SecurityProfile


class UpgradeState(models.TextChoices):
    """Where an upgrade stands; the first three are on their way, the others final."""

    KEY_SENT = "key_sent", _("new key sent: the old and the new one are valid")
    PROFILE_SENT = "profile_sent", _("new profile sent")
    WAITING = "waiting", _("waits for the charge point to come back with it")
    DONE = "done", _("done")
    FAILED = "failed", _("refused by the charge point: everything as before")
    FELL_BACK = "fell_back", _("did not come back with it: everything as before")


UPGRADING = (UpgradeState.KEY_SENT, UpgradeState.PROFILE_SENT, UpgradeState.WAITING)


class SecurityUpgrade(models.Model):
    """One upgrade, step by step: 0 → 1 → 2 → 3 (security whitepaper A05), or a new key alone (A01)."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="security_upgrades")
    target = models.PositiveSmallIntegerField(
        _("to profile"), choices=SecurityProfile.choices, null=True, blank=True, help_text=_("Empty: a new key only.")
    )
    step = models.PositiveSmallIntegerField(
        _("now to"), choices=SecurityProfile.choices, default=SecurityProfile.NONE, editable=False
    )
    state = models.CharField(_("state"), max_length=20, choices=UpgradeState.choices)
    command_id = models.UUIDField(_("command"), default=uuid.uuid4, help_text=_("The last ChangeConfiguration of it."))
    approves = models.BooleanField(
        _("approves"), default=False, help_text=_("The charge point is accepted when it has come back.")
    )
    deadline = models.DateTimeField(_("comes back until"))
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("security upgrade")
        verbose_name_plural = _("security upgrades")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("charge_point",),
                condition=models.Q(state__in=["key_sent", "profile_sent", "waiting"]),
                name="ocpp_one_security_upgrade",
            ),
        )

    def __str__(self) -> str:
        return f"{self.charge_point} → {'new key' if self.target is None else self.target} ({self.state})"

    @property
    def is_under_way(self) -> bool:
        return self.state in UPGRADING
