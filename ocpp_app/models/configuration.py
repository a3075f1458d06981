"""What charge points are configured to do, what is wanted of them, and templates that want it of many."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.bulk import fit_text
from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.organisation import Organisation, default_organisation_id
from ocpp_app.models.site import ChargePointGroup

LONGEST_KEY = 255


def name_of(key: str) -> str:
    """How a configuration key is compared: without regard to case (CiString50Type, OCPP 1.6 §7.28), and as far as it
    can be kept."""
    return fit_text(key.strip().casefold(), LONGEST_KEY)


class ConfigurationTemplate(models.Model):
    """Values that are wanted of every charge point of these models, or in these groups."""

    organisation = models.ForeignKey(
        Organisation,
        models.PROTECT,
        related_name="configuration_templates",
        default=default_organisation_id,
        db_index=False,
    )
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    vendor = models.CharField(
        _("vendor"), max_length=255, blank=True, help_text=_("A pattern such as Grizzl-E*. Empty: any.")
    )
    model = models.CharField(_("model"), max_length=255, blank=True, help_text=_("A pattern. Empty: any."))
    firmware = models.CharField(
        _("firmware version"), max_length=255, blank=True, help_text=_("A pattern such as 5.*. Empty: any.")
    )
    groups = models.ManyToManyField(
        ChargePointGroup,
        blank=True,
        related_name="configuration_templates",
        help_text=_("In one of these groups. Empty: in any or none."),
    )
    position = models.PositiveSmallIntegerField(
        _("position"), default=0, help_text=_("Of two templates that want the same key, the higher one counts.")
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    resets = models.BooleanField(
        _("resets"),
        default=False,
        help_text=_("Restart a charge point (Soft) that says RebootRequired, once nothing is charging there."),
    )
    is_settled = models.BooleanField(
        default=False, editable=False, help_text=_("Whether the charge points' rows say what it says.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("configuration template")
        verbose_name_plural = _("configuration templates")
        ordering = ("-position", "name")
        constraints = (models.UniqueConstraint(fields=("organisation", "name"), name="ocpp_template_name"),)

    def __str__(self) -> str:
        return self.name


class TemplateValue(models.Model):
    """One value that a template wants."""

    template = models.ForeignKey(ConfigurationTemplate, models.CASCADE, related_name="values", db_index=False)
    key = models.CharField(_("key"), max_length=50)
    name = models.CharField(max_length=50, editable=False)
    value = models.CharField(_("value"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("template value")
        verbose_name_plural = _("template values")
        ordering = ("template", "name")
        constraints = (models.UniqueConstraint(fields=("template", "name"), name="ocpp_template_key"),)

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"

    def save(self, *args: object, **kwargs: object) -> None:
        self.key = self.key.strip()
        self.name = name_of(self.key)
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class WantedState(models.TextChoices):
    """How far a wanted value has come; empty where nothing is wanted."""

    TO_SEND = "to_send", _("to be sent")
    SENT = "sent", _("sent")
    IN_FORCE = "in_force", _("in force")
    REBOOT_REQUIRED = "reboot_required", _("reboot required: in force after the next restart")
    REJECTED = "rejected", _("rejected by the charge point")
    NOT_SUPPORTED = "not_supported", _("not supported by the charge point")
    FAILED = "failed", _("failed: no answer, or a CALLERROR")
    DRIFTED = "drifted", _("drifted: the charge point has another value")


class ConfigurationKey(models.Model):
    """A configuration key of a charge point: what it has, and what is wanted.

    The value of a key that holds a secret is not kept (``ocpp_app.secrecy``).
    """

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="configuration_keys", db_index=False)
    key = models.CharField(_("key"), max_length=LONGEST_KEY, help_text=_("As the charge point writes it."))
    name = models.CharField(max_length=LONGEST_KEY, editable=False)
    # Nothing is something else than empty text: a charge point may have, and one may want, an empty value.
    value = models.TextField(  # noqa: DJ001
        _("value"), null=True, help_text=_("Empty: not set, not told, or a secret.")
    )
    is_readonly = models.BooleanField(_("read-only"), null=True)
    is_known = models.BooleanField(
        _("known"), null=True, help_text=_("No: the charge point says that it has no such key. Empty: never asked.")
    )
    read_at = models.DateTimeField(_("read"), null=True)
    value_since = models.DateTimeField(
        _("value since"), null=True, help_text=_("When this value was first read, or accepted.")
    )
    next_value = models.TextField(  # noqa: DJ001
        _("after a restart"), null=True, help_text=_("Taken with RebootRequired: in force after the next restart.")
    )
    next_since = models.DateTimeField(null=True)

    wanted = models.TextField(  # noqa: DJ001
        _("wanted"), null=True, help_text=_("Empty: whatever the charge point has.")
    )
    is_own = models.BooleanField(
        _("own"), default=False, help_text=_("Wanted of this charge point itself, whatever the templates say.")
    )
    template = models.ForeignKey(
        ConfigurationTemplate, models.SET_NULL, null=True, related_name="keys", help_text=_("Which wants it.")
    )
    state = models.CharField(_("state"), max_length=20, choices=WantedState.choices, blank=True, default="")
    state_since = models.DateTimeField(_("since"), null=True)
    detail = models.CharField(_("detail"), max_length=255, blank=True, default="")
    confirmed_at = models.DateTimeField(
        _("confirmed"), null=True, help_text=_("When the wanted value was last read from the charge point.")
    )
    command_id = models.UUIDField(_("command"), null=True, default=None, help_text=_("Which was to bring it there."))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)

    class Meta:
        verbose_name = _("configuration key")
        verbose_name_plural = _("configuration keys")
        ordering = ("charge_point", "name")
        constraints = (models.UniqueConstraint(fields=("charge_point", "name"), name="ocpp_configuration_key"),)
        indexes = (models.Index(fields=("state", "charge_point"), name="ocpp_configuration_state"),)

    def __str__(self) -> str:
        return f"{self.charge_point} {self.key}"

    @property
    def has_drifted(self) -> bool:
        """Whether the charge point does not have what is wanted."""
        return self.state not in ("", WantedState.IN_FORCE)


class Inquiry(models.Model):
    """What a charge point was asked by the system itself, and when it is looked after next."""

    charge_point = models.OneToOneField(ChargePoint, models.CASCADE, primary_key=True, related_name="inquiry")
    due_at = models.DateTimeField(_("next look"), null=True, db_index=True, help_text=_("Empty: when it connects."))
    told = models.CharField(
        _("last told"), max_length=20, blank=True, default="", help_text=_("What its last BootNotification got.")
    )
    boot_asked_at = models.DateTimeField(_("asked for a BootNotification"), null=True)
    status_asked_at = models.DateTimeField(_("asked for its status"), null=True)
    configuration_asked_at = models.DateTimeField(_("asked for its configuration"), null=True)
    configuration_read_at = models.DateTimeField(_("configuration read"), null=True)
    unanswered = models.PositiveSmallIntegerField(
        _("unanswered"), default=0, help_text=_("How often it was asked for its configuration since it told it.")
    )
    firmware_version = models.CharField(
        _("firmware then"), max_length=255, blank=True, default="", help_text=_("When its configuration was read.")
    )
    refuses_all = models.BooleanField(
        _("refuses to tell all"), default=False, help_text=_("GetConfiguration needs the names of the keys.")
    )
    refuses_triggers = models.CharField(
        _("refuses TriggerMessage"), max_length=255, blank=True, default="", help_text=_("With which firmware.")
    )
    reset_at = models.DateTimeField(_("restarted"), null=True, help_text=_("Last by the system, after RebootRequired."))

    class Meta:
        verbose_name = _("inquiry")
        verbose_name_plural = _("inquiries")
        ordering = ("charge_point",)

    def __str__(self) -> str:
        return str(self.charge_point)
