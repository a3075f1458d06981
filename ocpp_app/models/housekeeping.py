"""Who does the housekeeping, and how far it is with what is old."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Lease(models.Model):
    """A named piece of work that one process at a time may do, until ``expires_at`` by the database's clock."""

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Pruning(models.Model):
    """What ``prune`` has done to one table: when it last came to its end, and how much went then."""

    table = models.CharField(_("table"), max_length=50, primary_key=True)
    finished_at = models.DateTimeField(_("finished"), null=True, help_text=_("When the last run came to its end."))
    removed = models.PositiveBigIntegerField(_("removed"), default=0, help_text=_("How many rows went in that run."))
    done_until = models.DateTimeField(
        _("done until"), null=True, help_text=_("Meter values outside of transactions are rolled up as far as here.")
    )

    class Meta:
        verbose_name = _("pruning")
        verbose_name_plural = _("pruning")
        ordering = ("table",)

    def __str__(self) -> str:
        return self.table
