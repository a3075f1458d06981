"""Meter values as they came, with the usual measurands beside them in one unit."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import Connector
from ocpp_app.models.transaction import Transaction


class MeterValue(models.Model):
    """One MeterValue (OCPP 1.6 §7.33): a timestamp and its sampled values, from MeterValues.req or a
    StopTransaction's transactionData.

    ``sampled_values`` is the list on the wire. The columns beside it are the aggregate over phases, at the outlet or
    what is nearest to it: energy register in Wh, power in W, current in A, voltage in V, state of charge in
    percent; null where not sent.
    """

    connector = models.ForeignKey(
        Connector, models.CASCADE, related_name="meter_values", db_index=False, db_constraint=False
    )
    transaction = models.ForeignKey(Transaction, models.CASCADE, null=True, related_name="meter_values", db_index=False)
    timestamp = models.DateTimeField(
        _("time"), help_text=_("The charge point's clock where it is plausible, else the time of receipt.")
    )
    received_at = models.DateTimeField(_("received"))
    digest = models.UUIDField(
        unique=True,
        editable=False,
        help_text=_("Of charge point, connector, transaction, timestamp and values: the same never counts twice."),
    )
    sampled_values = models.JSONField(_("sampled values"), encoder=DjangoJSONEncoder)
    energy_wh = models.FloatField(_("energy register (Wh)"), null=True)
    power_w = models.FloatField(_("power (W)"), null=True)
    current_a = models.FloatField(_("current (A)"), null=True)
    voltage_v = models.FloatField(_("voltage (V)"), null=True)
    soc_percent = models.FloatField(_("state of charge (%)"), null=True)

    class Meta:
        verbose_name = _("meter value")
        verbose_name_plural = _("meter values")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("transaction", "timestamp"), name="ocpp_meter_transaction"),
            models.Index(fields=("connector", "timestamp"), name="ocpp_meter_connector"),
        )

    def __str__(self) -> str:
        return f"{self.timestamp:%Y-%m-%d %H:%M:%S}"


class MeterValueMean(models.Model):
    """What a meter value stands for that is no longer one: the mean of all that came within a quarter of an hour.

    Its ``value`` has the time and the registers of the last of them, and the means of the rest; here is what that would
    lose. ``digests`` are theirs, sixteen bytes each: one that is sent again does not count again.
    """

    value = models.OneToOneField(MeterValue, models.CASCADE, primary_key=True, related_name="mean")
    connector = models.ForeignKey(Connector, models.CASCADE, related_name="+", db_index=False)
    span_at = models.DateTimeField(_("quarter of an hour"), help_text=_("When it begins."))
    first_at = models.DateTimeField(_("first"), help_text=_("The time of the first of them."))
    first_energy_wh = models.FloatField(_("first energy register (Wh)"), null=True)
    first_power_w = models.FloatField(_("first power (W)"), null=True)
    power_max_w = models.FloatField(_("greatest power (W)"), null=True)
    count = models.PositiveIntegerField(_("meter values"), help_text=_("How many it stands for."))
    digests = models.BinaryField(editable=False)

    class Meta:
        verbose_name = _("mean of meter values")
        verbose_name_plural = _("means of meter values")
        ordering = ("-value",)
        indexes = (models.Index(fields=("connector", "span_at"), name="ocpp_meter_mean"),)

    def __str__(self) -> str:
        return f"{self.span_at:%Y-%m-%d %H:%M} ({self.count})"
