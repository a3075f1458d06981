"""Authorization caches of charge points (OCPP 1.6 §3.5.1), and what they may have been told of each idTag."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.command import Command
from ocpp_app.models.id_tag import IdTag
from ocpp_app.models.organisation import Organisation


class AuthorizationCache(models.Model):
    """The authorization cache of one charge point: since when it may be wrong, and what ClearCache.conf said last."""

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, related_name="authorization_cache")
    outdated_at = models.DateTimeField(
        _("outdated since"),
        null=True,
        db_index=True,
        help_text=_("An idTag lost a right then; the cache is cleared as soon as the charge point is there."),
    )
    status = models.CharField(
        _("last answer"),
        max_length=50,
        blank=True,
        help_text=_("ClearCacheStatus (OCPP 1.6 §7.20); Rejected: it has no cache (errata 3.23)."),
    )
    status_at = models.DateTimeField(_("answered"), null=True)
    cleared_at = models.DateTimeField(_("cleared"), null=True, help_text=_("When it last accepted to clear it."))
    command = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="+", help_text=_("The last ClearCache.req.")
    )
    retry_at = models.DateTimeField(_("tried again"), null=True)

    class Meta:
        verbose_name = _("authorization cache")
        verbose_name_plural = _("authorization caches")
        ordering = ("charge_point",)

    def __str__(self) -> str:
        return f"{self.charge_point}"


class ToldTag(models.Model):
    """What charge points may have been told of an idTag, and may still have in their caches.

    Compared with the idTag itself: what has become stricter outdates caches. Without ``tag`` the idTag was deleted.
    """

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+")
    tag = models.OneToOneField(IdTag, models.SET_NULL, null=True, related_name="told")
    key = models.CharField(_("idTag"), max_length=20)
    is_blocked = models.BooleanField(_("blocked"))
    expires_at = models.DateTimeField(_("expires"), null=True)
    parent_id_tag = models.CharField(_("parent idTag"), max_length=20, blank=True)
    groups = models.TextField(_("groups"), blank=True, help_text=_("Their keys, in order; empty: everywhere."))

    class Meta:
        verbose_name = _("idTag as told")
        verbose_name_plural = _("idTags as told")
        ordering = ("organisation", "key", "pk")

    def __str__(self) -> str:
        return self.key
