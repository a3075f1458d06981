"""How much an organisation's charge points drew, minute by minute."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.organisation import Organisation


class PowerSample(models.Model):
    """The power of all charging at one moment, noted by housekeeping once a minute and kept for some days."""

    GAP: ClassVar[timedelta] = timedelta(minutes=3)
    """Longer apart than this: nobody has measured in between."""
    KEPT: ClassVar[timedelta] = timedelta(days=8)

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="power_samples", db_index=False)
    at = models.DateTimeField(_("time"), db_index=True)
    power_w = models.FloatField(_("power (W)"), help_text=_("As the transactions of connected charge points said."))
    charging = models.PositiveIntegerField(_("charging"), help_text=_("How many transactions that were."))

    class Meta:
        verbose_name = _("power sample")
        verbose_name_plural = _("power samples")
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("organisation", "at"), name="ocpp_power_sample"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.power_w:g} W"
