"""The idTags that may charge."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.organisation import Organisation, default_organisation_id
from ocpp_app.models.site import ChargePointGroup

ANONYMOUS = "anonymous"
"""The tag with which charging is started when nobody showed one (OCPP_AUTO_REMOTE_START); made by a migration."""


class IdTag(models.Model):
    """An idTag (OCPP 1.6 §7.28): case-insensitive, unique within its organisation."""

    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="id_tags", default=default_organisation_id, db_index=False
    )
    id_tag = models.CharField(
        _("idTag"), max_length=20, help_text=_("At most 20 characters; upper and lower case are the same.")
    )
    key = models.CharField(max_length=20, editable=False)
    parent = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="children",
        help_text=_("Tags with the same parent may stop each other's transactions (OCPP 1.6 §4.1)."),
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    is_blocked = models.BooleanField(_("blocked"), default=False)
    concurrent_limit = models.PositiveIntegerField(
        _("concurrent transactions"),
        null=True,
        blank=True,
        default=1,
        help_text=_("How many at a time; empty: no limit."),
    )
    groups = models.ManyToManyField(
        ChargePointGroup,
        blank=True,
        related_name="id_tags",
        help_text=_("Only at charge points of these groups; empty: everywhere."),
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="id_tags")
    tariff = models.ForeignKey(
        "ocpp_app.Tariff",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="id_tags",
        help_text=_("What charging costs with this tag, everywhere. Empty: as its parent says, else the charge point."),
    )
    note = models.TextField(_("note"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("idTag")
        verbose_name_plural = _("idTags")
        ordering = ("id_tag",)
        constraints = (models.UniqueConstraint(fields=("organisation", "key"), name="ocpp_id_tag_key"),)

    def __str__(self) -> str:
        return self.id_tag

    def save(self, **kwargs: Any) -> None:
        self.key = key_of(self.id_tag)
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], "key"}
        super().save(**kwargs)


def key_of(id_tag: str) -> str:
    """What two idTags that differ in case only have in common (CiString20Type, OCPP 1.6 §7.15)."""
    return id_tag.upper()
