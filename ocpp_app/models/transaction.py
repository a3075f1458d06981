"""Transactions, and what is odd about them."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint, Connector
from ocpp_app.models.id_tag import IdTag
from ocpp_app.models.organisation import Organisation
from ocpp_app.models.tariff import Tariff
from ocpp_app.money import from_minor


class ClosedBy(models.TextChoices):
    """Whose word the end of a transaction is."""

    CHARGE_POINT = "charge_point", _("charge point")
    ORPHANED = "orphaned", _("a newer transaction on the same connector")
    BACK_OFFICE = "back_office", _("back office")


class RollUp(models.TextChoices):
    """What has become of a transaction's meter values (``roll_up.py``)."""

    NONE = "", _("as they came")
    BEGUN = "begun", _("partly means")
    DONE = "done", _("means")
    KEPT = "kept", _("kept as they came: the means would tell another energy or price")


class Transaction(models.Model):
    """A charging transaction; its primary key is the ``transactionId`` on the wire.

    ``started_at`` and ``stopped_at`` are what to reckon with: the charge point's clock where it is plausible, else
    the time of receipt.
    What the charge point's clock said and when we received it are kept beside them. Energies are in Wh.
    """

    id = models.AutoField(_("transactionId"), primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="transactions", db_index=False)
    charge_point = models.ForeignKey(ChargePoint, models.PROTECT, related_name="transactions", db_index=False)
    connector = models.ForeignKey(Connector, models.PROTECT, related_name="transactions")
    id_tag = models.CharField(_("idTag"), max_length=255)
    tag = models.ForeignKey(IdTag, models.SET_NULL, null=True, blank=True, related_name="transactions")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="transactions",
        help_text=_("The owner of the idTag when the transaction began."),
        db_index=False,
    )
    id_tag_status = models.CharField(
        _("idTag status"),
        max_length=20,
        help_text=_("AuthorizationStatus with which the start was answered (OCPP 1.6 §7.2)."),
    )
    reservation_id = models.BigIntegerField(_("reservationId"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_id_known = models.BooleanField(
        _("id known"),
        default=False,
        db_default=False,
        help_text=_("The charge point has named its transactionId: the answer to its start has arrived there."),
    )

    started_at = models.DateTimeField(_("started"), db_index=True)
    start_timestamp = models.DateTimeField(_("start, charger time"), null=True)
    start_received_at = models.DateTimeField(_("start received"))
    meter_start_wh = models.BigIntegerField(_("meter start (Wh)"))

    stopped_at = models.DateTimeField(_("stopped"), null=True)
    stop_timestamp = models.DateTimeField(_("stop, charger time"), null=True)
    stop_received_at = models.DateTimeField(_("stop received"), null=True)
    meter_stop_wh = models.BigIntegerField(_("meter stop (Wh)"), null=True)
    stop_reason = models.CharField(_("stop reason"), max_length=50, blank=True, help_text=_("Reason (OCPP 1.6 §7.36)."))
    stop_id_tag = models.CharField(_("stop idTag"), max_length=255, blank=True)
    is_stop_guessed = models.BooleanField(
        _("stop guessed"),
        default=False,
        db_default=False,
        help_text=_("The stop named no transactionId (errata 3.18) and fitted this transaction best."),
    )
    closed_by = models.CharField(_("closed by"), max_length=20, blank=True, choices=ClosedBy.choices)
    closed_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Who closed it in the back office."),
        db_index=False,
    )
    close_note = models.TextField(_("why it was closed"), blank=True)
    duration_s = models.BigIntegerField(
        _("duration (s)"), null=True, help_text=_("From its start to its end, in whole seconds; empty while active.")
    )

    energy_wh = models.BigIntegerField(
        _("energy (Wh)"), null=True, help_text=_("From the register; so far, while active. Empty: not known.")
    )
    doubtful_wh = models.BigIntegerField(
        _("energy in doubt (Wh)"),
        null=True,
        help_text=_("What contradictory registers prove at least; not billed unless somebody accepts it."),
    )
    is_energy_by_hand = models.BooleanField(
        _("energy by hand"), default=False, help_text=_("Somebody has decided the energy; the registers no longer do.")
    )
    last_register_wh = models.BigIntegerField(_("last register (Wh)"), null=True)
    last_power_w = models.FloatField(_("last power (W)"), null=True)
    last_soc_percent = models.FloatField(_("last state of charge (%)"), null=True)
    last_meter_at = models.DateTimeField(_("last meter values"), null=True)
    roll_up = models.CharField(
        _("meter values are"), max_length=10, choices=RollUp.choices, blank=True, default="", db_default=""
    )

    tariff = models.ForeignKey(
        Tariff, models.SET_NULL, null=True, blank=True, related_name="transactions", db_index=False
    )
    tariff_terms = models.JSONField(
        _("terms"),
        null=True,
        blank=True,
        encoder=DjangoJSONEncoder,
        help_text=_("The tariff as it was when the transaction began: later changes of prices do not change it."),
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    cost_minor = models.BigIntegerField(
        _("cost"),
        null=True,
        help_text=_("In the currency's minor unit (cents); empty: without a tariff, or not ended."),
    )
    cost_lines = models.JSONField(
        _("cost in detail"), null=True, blank=True, encoder=DjangoJSONEncoder, help_text=_("Its lines add up to it.")
    )

    has_anomaly = models.BooleanField(
        _("has an anomaly"), default=False, db_default=False, help_text=_("Or had one: also when it is resolved.")
    )

    class Meta:
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("charge_point", "started_at"), name="ocpp_tx_charge_point"),
            models.Index(fields=("charge_point", "start_timestamp"), name="ocpp_tx_start"),
            models.Index(fields=("charge_point", "id"), name="ocpp_tx_charge_point_id"),
            models.Index(fields=("organisation", "id"), name="ocpp_tx_organisation"),
            models.Index(fields=("organisation", "started_at"), name="ocpp_tx_organisation_start"),
            models.Index(Upper("id_tag"), models.F("id"), name="ocpp_tx_id_tag"),
            models.Index(fields=("stopped_at",), name="ocpp_tx_stopped"),
            # Those of few rows come last: of two that look alike to it, SQLite takes the newer one.
            models.Index(fields=("owner",), condition=models.Q(owner__isnull=False), name="ocpp_tx_owner"),
            models.Index(
                fields=("closed_by_user",), condition=models.Q(closed_by_user__isnull=False), name="ocpp_tx_closed_by"
            ),
            models.Index(fields=("tariff",), condition=models.Q(tariff__isnull=False), name="ocpp_tx_tariff"),
            models.Index(fields=("charge_point",), condition=models.Q(is_active=True), name="ocpp_tx_open"),
            models.Index(fields=("tag",), condition=models.Q(is_active=True), name="ocpp_tx_active_tag"),
            models.Index(fields=("organisation",), condition=models.Q(is_active=True), name="ocpp_tx_active_here"),
            # Who has no anomaly asks for one: without these, the whole list is looked through.
            models.Index(fields=("organisation", "id"), condition=models.Q(has_anomaly=True), name="ocpp_tx_odd_here"),
            models.Index(fields=("id",), condition=models.Q(has_anomaly=True), name="ocpp_tx_odd"),
            models.Index(
                fields=("stopped_at", "id"),
                condition=models.Q(is_active=False, roll_up__in=["", "begun"]),
                name="ocpp_tx_to_roll_up",
            ),
        )

    def __str__(self) -> str:
        return f"{self.pk}"

    @property
    def cost(self) -> Decimal | None:
        """What it cost, in ``currency``; None without a tariff, and until it ends."""
        return None if self.cost_minor is None else from_minor(self.cost_minor, self.currency)

    @property
    def has_start(self) -> bool:
        """Whether its start is known; without one it is only a stop that was kept."""
        return bool(self.id_tag_status)

    @property
    def is_estimated(self) -> bool:
        """Whether its end is our own estimate, not the charge point's word; a true stop still replaces it."""
        return self.closed_by in (ClosedBy.ORPHANED, ClosedBy.BACK_OFFICE)


class AnomalyKind(models.TextChoices):
    """What can be odd about a transaction."""

    UNKNOWN_STOP = "unknown_stop", _("stop without a known start")
    FOREIGN_STOP = "foreign_stop", _("stop of another charge point's transaction")
    REPEATED_STOP = "repeated_stop", _("a second, different stop")
    LOWER_METER = "lower_meter", _("meter stop below meter start")
    ABSURD_ENERGY = "absurd_energy", _("more energy than can be")
    ORPHANED = "orphaned", _("never stopped; closed by the next start on its connector")
    IMPLAUSIBLE_CLOCK = "implausible_clock", _("the charger's clock is wrong")
    REGISTER_BACKWARDS = "register_backwards", _("the energy register ran backwards")
    FOREIGN_STOP_TAG = "foreign_stop_tag", _("stopped by a tag that may not stop it")
    METER_DISAGREES = "meter_disagrees", _("meter stop below a register that was seen before")
    ENERGY_AFTER_STOP = "energy_after_stop", _("the register went on after the stop")
    NEVER_STOPPED = "never_stopped", _("still open although its connector is free")


class Anomaly(models.Model):
    """One oddity of a transaction: kept for review until somebody resolves it with a note."""

    transaction = models.ForeignKey(Transaction, models.CASCADE, related_name="anomalies")
    kind = models.CharField(_("kind"), max_length=30, choices=AnomalyKind.choices, db_index=True)
    detail = models.TextField(_("detail"), blank=True)
    raw = models.TextField(_("frame"), blank=True, help_text=_("The frame that caused it, as it came."))
    found_at = models.DateTimeField(_("found"))
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("anomaly")
        verbose_name_plural = _("anomalies")
        ordering = ("-found_at", "-id")
        indexes = (models.Index(fields=("-found_at",), condition=models.Q(resolved_at=None), name="ocpp_anomaly_open"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.transaction_id})"

    def save(self, **kwargs: Any) -> None:
        """Workers write anomalies in bulk, and their transactions with them; everybody else does it here."""
        super().save(**kwargs)
        Transaction.objects.filter(pk=self.transaction_id, has_anomaly=False).update(has_anomaly=True)
