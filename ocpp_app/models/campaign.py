"""Firmware for many charge points, a few at a time."""

import re
from collections.abc import Iterable
from functools import cached_property

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.firmware import Firmware
from ocpp_app.models.organisation import Organisation, default_organisation_id
from ocpp_app.models.site import ChargePointGroup
from ocpp_app.models.task import FirmwareTask

AMOUNT = RegexValidator(r"\A\d{1,6}%?\Z", _("A number such as 5, or a share such as 10%%."))


def amount_of(text: str, total: int) -> int:
    """``5`` is five, ``10%`` a tenth of ``total``, rounded down."""
    number = int(re.sub(r"\D", "", text) or 0)
    return number * total // 100 if text.endswith("%") else number


class CampaignState(models.TextChoices):
    """Where a campaign stands; the last three are final."""

    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused: no new charge point begins")
    STOPPED = "stopped", _("stopped: too many failures")
    CANCELLED = "cancelled", _("cancelled")
    DONE = "done", _("done")


OPEN_CAMPAIGN_STATES = (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.STOPPED)


class FirmwareCampaign(models.Model):
    """One firmware to the charge points of a group, wave by wave: the next begins when all of the one before have
    ended, and stops where more have failed than are allowed."""

    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="firmware_campaigns", default=default_organisation_id
    )
    name = models.CharField(_("name"), max_length=200)
    firmware = models.ForeignKey(Firmware, models.PROTECT, related_name="campaigns")
    group = models.ForeignKey(
        ChargePointGroup,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="firmware_campaigns",
        help_text=_("Whose charge points it began with; who joins later is not updated."),
    )
    is_signed = models.BooleanField(_("signed"), default=False, help_text=_("With SignedUpdateFirmware."))
    wave_size = models.CharField(
        _("wave"),
        max_length=7,
        default="10%",
        validators=(AMOUNT,),
        help_text=_("How many charge points at a time: 5, or 10%."),
    )
    failures_allowed = models.CharField(
        _("failures allowed"),
        max_length=7,
        default="0",
        validators=(AMOUNT,),
        help_text=_("With more failures than this it stops: 2, or 5%."),
    )
    hours_per_charge_point = models.PositiveIntegerField(
        _("hours for each"),
        default=24,
        help_text=_("How long a charge point may take, also to come online; then it counts as failed."),
    )
    state = models.CharField(_("state"), max_length=20, choices=CampaignState.choices, default=CampaignState.RUNNING)
    wave = models.PositiveIntegerField(_("present wave"), default=0)
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    api_token = models.CharField(_("API token"), max_length=250, blank=True)
    created_at = models.DateTimeField(_("created"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("firmware campaign")
        verbose_name_plural = _("firmware campaigns")
        ordering = ("-id",)
        indexes = (models.Index(fields=("state",), name="ocpp_campaign_state"),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        """Whether it may still begin to update charge points."""
        return self.state in OPEN_CAMPAIGN_STATES

    @cached_property
    def outcomes(self) -> dict[str, int]:
        """How many of its charge points are in which state, as it is now."""
        return campaign_outcomes([self])[self.pk]


def campaign_outcomes(campaigns: Iterable[FirmwareCampaign]) -> dict[int, dict[str, int]]:
    """The ``outcomes`` of several campaigns, in one query; each of them knows its own from then on."""
    known = list(campaigns)
    found: dict[int, dict[str, int]] = {campaign.pk: {} for campaign in known}
    rows = CampaignTarget.objects.filter(campaign__in=found).order_by().values_list("campaign", "state")
    for pk, state, count in rows.annotate(models.Count("pk")):
        found[pk][state] = count
    for campaign in known:
        campaign.__dict__["outcomes"] = found[campaign.pk]
    return found


class TargetState(models.TextChoices):
    """What has become of one charge point; the first two are open."""

    WAITING = "waiting", _("waits for its wave")
    RUNNING = "running", _("under way")
    DONE = "done", _("updated")
    FAILED = "failed", _("failed")
    SKIPPED = "skipped", _("left out")
    CANCELLED = "cancelled", _("cancelled")


class CampaignTarget(models.Model):
    """One charge point of a campaign."""

    campaign = models.ForeignKey(FirmwareCampaign, models.CASCADE, related_name="targets", db_index=False)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="campaign_targets")
    wave = models.PositiveIntegerField(_("wave"))
    state = models.CharField(_("state"), max_length=20, choices=TargetState.choices, default=TargetState.WAITING)
    task = models.OneToOneField(
        FirmwareTask, models.SET_NULL, null=True, blank=True, related_name="campaign_target", verbose_name=_("update")
    )
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("charge point of a campaign")
        verbose_name_plural = _("charge points of campaigns")
        ordering = ("campaign", "wave", "charge_point")
        constraints = (models.UniqueConstraint(fields=("campaign", "charge_point"), name="ocpp_campaign_target"),)
        indexes = (models.Index(fields=("campaign", "state"), name="ocpp_campaign_target_state"),)

    def __str__(self) -> str:
        return f"{self.charge_point} ({self.state})"
