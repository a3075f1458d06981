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

    connector = models.ForeignKey(Connector, models.CASCADE, related_name="meter_values")
    transaction = models.ForeignKey(Transaction, models.CASCADE, null=True, related_name="meter_values")
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
