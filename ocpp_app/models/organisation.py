"""The tenant to whom everything else belongs."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Organisation(models.Model):
    """A tenant. Sites, charge points, tags and transactions belong to exactly one; a fresh database has one, the
    default."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("slug"), unique=True)
    is_default = models.BooleanField(
        _("default"),
        default=False,
        help_text=_("Charge points that nobody has registered are put here. Exactly one is the default."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("is_default",), condition=models.Q(is_default=True), name="ocpp_one_default_organisation"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def default(cls) -> "Organisation":
        """The default organisation; made again should somebody have deleted it."""
        organisation, _created = cls.objects.get_or_create(
            is_default=True, defaults={"name": "Default", "slug": "default"}
        )
        return organisation


def default_organisation_id() -> int:
    """The default of every ``organisation`` field; reads the key alone, since migrations call it on older schemas."""
    key = Organisation.objects.filter(is_default=True).values_list("pk", flat=True).first()
    return Organisation.default().pk if key is None else key
