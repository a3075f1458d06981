"""The local authorization list of a charge point: what it is to have, and what it has (OCPP 1.6 §3.5.2, §5.15)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.id_tag import IdTag


class ListSelection(models.TextChoices):
    """Which idTags belong on the list."""

    OFF = "off", _("off: the list is left as it is")
    ALL = "all", _("all idTags that may charge here")
    CHOSEN = "chosen", _("the chosen idTags")


class ListState(models.TextChoices):
    """How the charge point's list compares with what it is to be."""

    UNKNOWN = "unknown", _("not compared yet")
    IN_SYNC = "in_sync", _("as it is to be")
    PENDING = "pending", _("changes are on their way, or wait for the charge point")
    FAILED = "failed", _("the charge point could not apply the last update; it is tried again")
    NOT_SUPPORTED = "not_supported", _("the charge point keeps no list")


class LocalList(models.Model):
    """The local authorization list of one charge point.

    ``entries`` is what the charge point has, as its own answers say; ``selection`` and ``tags`` say what it is to have.
    ``version`` is None while nobody knows what the charge point has.
    """

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, related_name="local_list")
    selection = models.CharField(
        _("which idTags"), max_length=10, choices=ListSelection.choices, default=ListSelection.OFF
    )
    tags = models.ManyToManyField(
        IdTag,
        blank=True,
        related_name="local_lists",
        verbose_name=_("chosen idTags"),
        help_text=_("Only for “the chosen idTags”; none of them: the list is emptied."),
    )
    state = models.CharField(
        _("state"), max_length=20, choices=ListState.choices, default=ListState.UNKNOWN, editable=False
    )
    detail = models.CharField(_("detail"), max_length=255, blank=True, editable=False)
    version = models.BigIntegerField(
        _("version"),
        null=True,
        editable=False,
        help_text=_("listVersion of what the charge point has; empty: nobody knows what it has."),
    )
    sent_version = models.BigIntegerField(
        _("highest version sent"), default=0, editable=False, help_text=_("The next update gets a higher one.")
    )
    reported_version = models.BigIntegerField(
        _("version reported"),
        null=True,
        editable=False,
        help_text=_("The last GetLocalListVersion.conf; 0: an empty list, -1: the charge point keeps none."),
    )
    reported_at = models.DateTimeField(_("reported"), null=True, editable=False)
    checked_at = models.DateTimeField(
        _("asked for its version"), null=True, editable=False, help_text=_("After each boot, and once a day.")
    )
    changed_at = models.DateTimeField(
        _("last update"), null=True, editable=False, help_text=_("When the charge point last accepted one.")
    )
    wanted_count = models.PositiveIntegerField(
        _("idTags it is to have"), default=0, editable=False, help_text=_("When it was last compared.")
    )
    omitted_count = models.PositiveIntegerField(
        _("idTags without room"), default=0, editable=False, help_text=_("More than LocalAuthListMaxLength.")
    )
    wanted_digest = models.CharField(max_length=64, blank=True, editable=False)
    synced_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text=_("Of what the charge point had when nothing was missing.")
    )
    needs_full = models.BooleanField(_("next update is a full one"), default=True, editable=False)
    attempts = models.PositiveIntegerField(_("failed attempts"), default=0, editable=False)
    retry_at = models.DateTimeField(_("tried again"), null=True, editable=False)

    class Meta:
        verbose_name = _("local authorization list")
        verbose_name_plural = _("local authorization lists")
        ordering = ("charge_point",)

    def __str__(self) -> str:
        return f"{self.charge_point}"

    @property
    def is_kept(self) -> bool:
        """Whether we send what is missing."""
        return self.selection != ListSelection.OFF


class LocalListEntry(models.Model):
    """An idTag that the charge point has on its list, as it accepted it (OCPP 1.6 §7.1)."""

    local_list = models.ForeignKey(LocalList, models.CASCADE, related_name="entries", db_index=False)
    key = models.CharField(max_length=20, editable=False)
    id_tag = models.CharField(_("idTag"), max_length=20)
    status = models.CharField(_("status"), max_length=20, help_text=_("AuthorizationStatus (OCPP 1.6 §7.2)."))
    expires_at = models.DateTimeField(_("expires"), null=True)
    parent_id_tag = models.CharField(_("parent idTag"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("local list entry")
        verbose_name_plural = _("local list entries")
        ordering = ("local_list", "key")
        constraints = (models.UniqueConstraint(fields=("local_list", "key"), name="ocpp_local_list_entry"),)

    def __str__(self) -> str:
        return f"{self.id_tag} ({self.status})"
