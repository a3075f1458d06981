"""Charging profiles: the library, where they are to be, and where they are (OCPP 1.6 §3.13, §5.16)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.command import Command
from ocpp_app.models.organisation import Organisation, default_organisation_id
from ocpp_app.models.site import ChargePointGroup
from ocpp_app.models.transaction import Transaction


class ProfilePurpose(models.TextChoices):
    """ChargingProfilePurposeType (OCPP 1.6 §7.10)."""

    CHARGE_POINT_MAX = "ChargePointMaxProfile", _("ChargePointMaxProfile: limits the whole charge point")
    TX_DEFAULT = "TxDefaultProfile", _("TxDefaultProfile: for every transaction without a profile of its own")
    TX = "TxProfile", _("TxProfile: for one transaction")


class ProfileKind(models.TextChoices):
    """ChargingProfileKindType (OCPP 1.6 §7.9)."""

    ABSOLUTE = "Absolute", _("Absolute: once, from its start on")
    RECURRING = "Recurring", _("Recurring: every day or week, from its start on")
    RELATIVE = "Relative", _("Relative: from the start of the transaction on")


class Recurrency(models.TextChoices):
    """RecurrencyKindType (OCPP 1.6 §7.37)."""

    DAILY = "Daily", _("Daily")
    WEEKLY = "Weekly", _("Weekly")


class RateUnit(models.TextChoices):
    """ChargingRateUnitType (OCPP 1.6 §7.12)."""

    AMPERE = "A", _("A: ampere per phase")
    WATT = "W", _("W: watts in all")


class ChargingProfile(models.Model):
    """A charging profile of the library; its primary key is the ``chargingProfileId`` on the wire.

    A charge point has a profile, which is known to it by that id, at one connector at a time (OCPP 1.6 §5.16.3).
    """

    id = models.AutoField(_("chargingProfileId"), primary_key=True)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="charging_profiles", default=default_organisation_id
    )
    description = models.CharField(_("description"), max_length=200, help_text=_("What it is for: night, 11 kW …"))
    purpose = models.CharField(_("purpose"), max_length=30, choices=ProfilePurpose.choices)
    stack_level = models.PositiveIntegerField(
        _("stack level"),
        default=0,
        help_text=_("Of several valid profiles with the same purpose the one with the highest level counts."),
    )
    kind = models.CharField(_("kind"), max_length=20, choices=ProfileKind.choices)
    recurrency_kind = models.CharField(_("recurs"), max_length=10, choices=Recurrency.choices, blank=True, default="")
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True, help_text=_("Empty: at once."))
    valid_to = models.DateTimeField(_("valid to"), null=True, blank=True, help_text=_("Empty: until it is replaced."))
    start_schedule = models.DateTimeField(
        _("start of the schedule"),
        null=True,
        blank=True,
        help_text=_("Where second 0 of its periods is; it may lie in the past. Empty only for Relative."),
    )
    duration_s = models.PositiveIntegerField(
        _("duration (s)"), null=True, blank=True, help_text=_("Empty: the last period goes on.")
    )
    charging_rate_unit = models.CharField(
        _("unit"), max_length=1, choices=RateUnit.choices, default=RateUnit.AMPERE, help_text=_("Of all its limits.")
    )
    min_charging_rate = models.DecimalField(
        _("minimum charging rate"),
        max_digits=10,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("Below it charging is inefficient; the charge point may reckon with it."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("charging profile")
        verbose_name_plural = _("charging profiles")
        ordering = ("description", "id")

    def __str__(self) -> str:
        return f"{self.description} ({self.pk})"

    def clean(self) -> None:
        """What OCPP asks for beyond the single fields; each error at its field."""
        super().clean()
        errors: dict[str, Any] = {}
        if self.kind == ProfileKind.RECURRING and not self.recurrency_kind:
            errors["recurrency_kind"] = _("Say whether it recurs daily or weekly.")
        if self.kind != ProfileKind.RECURRING and self.recurrency_kind:
            errors["recurrency_kind"] = _("Only a Recurring profile recurs (OCPP 1.6 errata 3.56). Leave it empty.")
        if self.kind == ProfileKind.RELATIVE and self.start_schedule is not None:
            errors["start_schedule"] = _("A Relative profile starts with the transaction. Leave it empty.")
        if self.kind in (ProfileKind.ABSOLUTE, ProfileKind.RECURRING) and self.start_schedule is None:
            errors["start_schedule"] = _("Say when second 0 of its periods is.")
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            errors["valid_to"] = _("It lies before the beginning: choose a later time.")
        if self.purpose == ProfilePurpose.TX and self.pk and self.assignments.exists():
            errors["purpose"] = _("It is assigned to charge points: a TxProfile is sent to a transaction instead.")
        if errors:
            raise ValidationError(errors)


class ChargingProfilePeriod(models.Model):
    """A period of a charging profile's schedule (OCPP 1.6 §7.14); it lasts until the next one."""

    charging_profile = models.ForeignKey(ChargingProfile, models.CASCADE, related_name="periods", db_index=False)
    start_period_s = models.PositiveIntegerField(
        _("from (s)"), help_text=_("Seconds from the start of the schedule; the first is 0.")
    )
    limit = models.DecimalField(
        _("limit"),
        max_digits=10,
        decimal_places=1,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("In the profile's unit: A per phase, or W in all."),
    )
    number_phases = models.PositiveSmallIntegerField(
        _("phases"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3)],
        help_text=_("Empty: 3."),
    )

    class Meta:
        verbose_name = _("charging schedule period")
        verbose_name_plural = _("charging schedule periods")
        ordering = ("charging_profile", "start_period_s")
        constraints = (
            models.UniqueConstraint(fields=("charging_profile", "start_period_s"), name="ocpp_profile_period"),
        )

    def __str__(self) -> str:
        return f"{self.start_period_s} s: {self.limit}"


class ProfileAssignment(models.Model):
    """That a charge point, or each of a group, is to have a charging profile; housekeeping sends it and clears it."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+", editable=False)
    charging_profile = models.ForeignKey(ChargingProfile, models.CASCADE, related_name="assignments", db_index=False)
    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, null=True, blank=True, related_name="profile_assignments"
    )
    group = models.ForeignKey(
        ChargePointGroup,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="profile_assignments",
        help_text=_("Every charge point of the group, also those that join it later."),
    )
    connector_number = models.PositiveIntegerField(
        _("connectorId"),
        default=0,
        help_text=_("0: the whole charge point (ChargePointMaxProfile), or every connector (TxDefaultProfile)."),
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("charging profile assignment")
        verbose_name_plural = _("charging profile assignments")
        ordering = ("charging_profile", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(charge_point__isnull=False, group__isnull=True)
                | Q(charge_point__isnull=True, group__isnull=False),
                name="ocpp_assignment_target",
                violation_error_message=_("Choose a charge point or a group, not both."),
            ),
            models.UniqueConstraint(
                fields=("charging_profile", "charge_point"),
                name="ocpp_assignment_charge_point",
                violation_error_message=_("The charge point has this profile already; for another connector, copy it."),
            ),
            models.UniqueConstraint(
                fields=("charging_profile", "group"),
                name="ocpp_assignment_group",
                violation_error_message=_("The group has this profile already; for another connector, copy it."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.charging_profile} → {self.charge_point or self.group}/{self.connector_number}"

    def save(self, **kwargs: Any) -> None:
        self.organisation = self.charging_profile.organisation
        super().save(**kwargs)

    def clean(self) -> None:
        super().clean()
        if self.charging_profile_id is None:
            return
        errors: dict[str, Any] = {}
        purpose = self.charging_profile.purpose
        if purpose == ProfilePurpose.TX:
            errors["charging_profile"] = _("A TxProfile is for one transaction: send it to the transaction instead.")
        if purpose == ProfilePurpose.CHARGE_POINT_MAX and self.connector_number != 0:
            errors["connector_number"] = _("A ChargePointMaxProfile is for connector 0 (OCPP 1.6 §3.13.1).")
        for name in ("charge_point", "group"):
            row = getattr(self, name)
            if row is not None and row.organisation_id != self.charging_profile.organisation_id:
                errors[name] = _("It belongs to another organisation than the profile.")
        if errors:
            raise ValidationError(errors)


class InstallationState(models.TextChoices):
    """Whether the charge point has the profile."""

    REQUESTED = "requested", _("asked for, not answered yet")
    INSTALLED = "installed", _("installed")
    REFUSED = "refused", _("refused")


class InstallationQuerySet(models.QuerySet["ProfileInstallation"]):
    def installed(self) -> "InstallationQuerySet":
        """What the charge points have now: a TxProfile ends with its transaction (OCPP 1.6 §3.13.1)."""
        return self.not_ended().filter(state=InstallationState.INSTALLED)

    def not_ended(self) -> "InstallationQuerySet":
        """The same with what was asked for or refused."""
        return self.exclude(purpose=ProfilePurpose.TX, transaction__is_active=False)


class ProfileInstallation(models.Model):
    """A charging profile at a charge point, as the charge point's answers say.

    Whoever sent it: a profile that is not in the library has no ``charging_profile``. Read it with
    ``ProfileInstallation.objects.installed()``.
    """

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="profile_installations", db_index=False)
    connector_number = models.IntegerField(
        _("connectorId"), null=True, help_text=_("Empty: the connector that a remote start has chosen.")
    )
    profile_id = models.BigIntegerField(_("chargingProfileId"))
    charging_profile = models.ForeignKey(
        ChargingProfile, models.SET_NULL, null=True, blank=True, related_name="installations"
    )
    purpose = models.CharField(_("purpose"), max_length=50)
    stack_level = models.BigIntegerField(_("stack level"))
    transaction = models.ForeignKey(
        Transaction, models.CASCADE, null=True, blank=True, related_name="profile_installations"
    )
    id_tag = models.CharField(
        _("idTag"), max_length=20, blank=True, help_text=_("Of the remote start that carried it.")
    )
    state = models.CharField(_("state"), max_length=20, choices=InstallationState.choices)
    answer = models.CharField(
        _("last answer"),
        max_length=50,
        blank=True,
        help_text=_("ChargingProfileStatus (OCPP 1.6 §7.11) or error."),
    )
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    status_at = models.DateTimeField(_("state since"))
    payload = models.JSONField(_("profile"), null=True, help_text=_("As the charge point has it (OCPP 1.6 §7.8)."))
    digest = models.CharField(max_length=64, blank=True)
    asked_digest = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField(_("last sent"), null=True)
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    is_assigned = models.BooleanField(
        _("by assignment"), default=False, help_text=_("It is cleared when no assignment asks for it any more.")
    )

    objects = InstallationQuerySet.as_manager()

    class Meta:
        verbose_name = _("installed charging profile")
        verbose_name_plural = _("installed charging profiles")
        ordering = ("charge_point", "connector_number", "purpose", "-stack_level")
        constraints = (
            models.UniqueConstraint(fields=("charge_point", "profile_id"), name="ocpp_profile_installation"),
        )

    def __str__(self) -> str:
        return f"{self.charge_point}/{self.connector_number}: {self.profile_id}"


class CompositeSchedule(models.Model):
    """A GetCompositeSchedule.conf (OCPP 1.6 §5.7) with absolute times, ready to be plotted."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="composite_schedules", db_index=False)
    connector_number = models.IntegerField(
        _("connectorId"), help_text=_("0: what the charge point expects to take from the grid.")
    )
    status = models.CharField(_("status"), max_length=50, help_text=_("GetCompositeScheduleStatus (OCPP 1.6 §7.26)."))
    starts_at = models.DateTimeField(_("from"), null=True)
    ends_at = models.DateTimeField(_("to"), null=True)
    charging_rate_unit = models.CharField(_("unit"), max_length=10, blank=True)
    min_charging_rate = models.DecimalField(
        _("minimum charging rate"), max_digits=20, decimal_places=3, null=True, blank=True
    )
    periods = models.JSONField(
        _("periods"),
        default=list,
        help_text=_("Each with start and end (absolute), limit (in the unit) and number_phases."),
    )
    received_at = models.DateTimeField(_("received"))
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("composite schedule")
        verbose_name_plural = _("composite schedules")
        ordering = ("-received_at", "-id")
        indexes = (models.Index(fields=("charge_point", "-received_at"), name="ocpp_composite_schedule"),)

    def __str__(self) -> str:
        return f"{self.charge_point}/{self.connector_number} {self.received_at:%Y-%m-%d %H:%M:%S}"

    def steps(self) -> list[tuple[float, float]]:
        """The curve, ready to be plotted: (seconds from its start, limit), each until the next."""
        start = self.starts_at
        if start is None:
            return []
        begun = ((datetime.fromisoformat(period["start"]) - start, period["limit"]) for period in self.periods)
        return [(after.total_seconds(), float(limit)) for after, limit in begun]
