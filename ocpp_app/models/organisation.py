"""The tenant to whom everything else belongs."""

import contextlib

from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone
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
    operator_names = models.TextField(
        _("operator's names in certificates"),
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "One a line: the organisation (O) in its charge points' certificates is one of them (A00.FR.404). "
            "Empty: as OCPP_TRUSTED_OPERATORS says."
        ),
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
        return cls.objects.get(pk=default_organisation_id())


def default_organisation_id() -> int:
    """The default of every ``organisation`` field; touches the first columns alone, since migrations call it on older
    schemas."""
    keys = Organisation.objects.filter(is_default=True).values_list("pk", flat=True)
    key = keys.first()
    if key is None:
        _insert_default()
        key = keys.get()
    return key


def _insert_default() -> None:
    table = connection.ops.quote_name(Organisation._meta.db_table)
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with contextlib.suppress(IntegrityError), transaction.atomic(), connection.cursor() as cursor:  # or somebody else
        cursor.execute(
            f"INSERT INTO {table} (name, slug, is_default, created_at) VALUES (%s, %s, %s, %s)",
            ["Default", "default", True, now],
        )
