"""Where charge points stand, and how they are grouped."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.organisation import Organisation, default_organisation_id


class Site(models.Model):
    """A place with a grid connection that its charge points share."""

    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="sites", default=default_organisation_id, db_index=False
    )
    name = models.CharField(_("name"), max_length=200)
    address = models.TextField(_("address"), blank=True)
    grid_limit_w = models.PositiveIntegerField(
        _("grid limit (W)"),
        null=True,
        blank=True,
        help_text=_("What the grid connection may draw, in watts. Empty: unknown."),
    )
    tariff = models.ForeignKey(
        "ocpp_app.Tariff",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="sites",
        help_text=_("What charging costs here. Empty: as the organisation says."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("organisation", "name"), name="ocpp_site_name"),)

    def __str__(self) -> str:
        return self.name


class ChargePointGroup(models.Model):
    """A set of charge points that are treated alike; a charge point may be in several."""

    organisation = models.ForeignKey(
        Organisation,
        models.PROTECT,
        related_name="charge_point_groups",
        default=default_organisation_id,
        db_index=False,
    )
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)

    class Meta:
        verbose_name = _("charge point group")
        verbose_name_plural = _("charge point groups")
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("organisation", "name"), name="ocpp_group_name"),)

    def __str__(self) -> str:
        return self.name
