"""Charge points, their connectors, and the history of a connector's status."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.deletion import Deletable
from ocpp_app.models.organisation import Organisation, default_organisation_id
from ocpp_app.models.session import Session
from ocpp_app.models.site import ChargePointGroup, Site


class RegistrationStatus(models.TextChoices):
    """RegistrationStatus (OCPP 1.6 §7.39); a charge point that waits for approval is Pending."""

    ACCEPTED = "Accepted", _("Accepted")
    PENDING = "Pending", _("Pending")
    REJECTED = "Rejected", _("Rejected")


class UnknownIdTagPolicy(models.TextChoices):
    """What becomes of an idTag that nobody has registered."""

    DEFAULT = "", _("as the setting OCPP_UNKNOWN_ID_TAG says")
    REJECT = "reject", _("refuse (Invalid)")
    ACCEPT = "accept", _("accept")


class SecurityProfile(models.IntegerChoices):
    """The security profiles of the whitepaper (A00), and none of them."""

    NONE = 0, _("0: no credentials at all; for networks of one's own")
    BASIC = 1, _("1: password (HTTP Basic) without TLS; for VPNs")
    TLS = 2, _("2: TLS and password")
    MUTUAL_TLS = 3, _("3: TLS with client certificate")


class ChargePoint(Deletable):
    """A charge point; ``identity`` is the last segment of its connection URL (OCPP-J 1.6 §3.1.1), unique across all
    organisations."""

    lock = "pk"

    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="charge_points", default=default_organisation_id
    )
    identity = models.CharField(_("identity"), max_length=255, unique=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    site = models.ForeignKey(Site, models.SET_NULL, null=True, blank=True, related_name="charge_points", db_index=False)
    groups = models.ManyToManyField(ChargePointGroup, blank=True, related_name="charge_points")
    registration_status = models.CharField(
        _("registration status"),
        max_length=20,
        choices=RegistrationStatus.choices,
        default=RegistrationStatus.ACCEPTED,
        help_text=_("What a BootNotification is answered with. Pending: waits for approval, may do nothing else."),
    )
    authorization_key = models.CharField(_("authorization key (hashed)"), max_length=255, blank=True, editable=False)
    next_authorization_key = models.CharField(
        _("next authorization key (hashed)"),
        max_length=255,
        blank=True,
        editable=False,
        help_text=_("Valid beside the other one while the charge point is being given it (whitepaper A01)."),
    )
    security_profile = models.PositiveSmallIntegerField(
        _("security profile"),
        choices=SecurityProfile.choices,
        null=True,
        blank=True,
        help_text=_("The least that its connections must have. Empty: as OCPP_SECURITY_PROFILE says."),
    )
    registered_serial_number = models.CharField(
        _("serial number in its certificate"),
        max_length=255,
        blank=True,
        help_text=_("Profile 3: the certificate's CN contains it (A00.FR.405), or is the identity."),
    )

    # BootNotification.req (OCPP 1.6 §6.3)
    vendor = models.CharField(_("vendor"), max_length=255, blank=True)
    model = models.CharField(_("model"), max_length=255, blank=True)
    serial_number = models.CharField(_("serial number"), max_length=255, blank=True)
    charge_box_serial_number = models.CharField(_("charge box serial number"), max_length=255, blank=True)
    firmware_version = models.CharField(_("firmware version"), max_length=255, blank=True)
    iccid = models.CharField("ICCID", max_length=255, blank=True)
    imsi = models.CharField("IMSI", max_length=255, blank=True)
    meter_type = models.CharField(_("meter type"), max_length=255, blank=True)
    meter_serial_number = models.CharField(_("meter serial number"), max_length=255, blank=True)
    diagnostics_status = models.CharField(_("diagnostics status"), max_length=50, blank=True)
    firmware_status = models.CharField(_("firmware status"), max_length=50, blank=True)

    # live state
    session = models.ForeignKey(
        Session,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        help_text=_("Empty: not connected."),
    )
    protocol = models.CharField(
        _("protocol"),
        max_length=20,
        default="ocpp1.6",
        editable=False,
        help_text=_("The websocket subprotocol it speaks."),
    )
    last_seen_at = models.DateTimeField(
        _("last seen"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When its last frame came in, at most 30 s behind."),
    )
    last_boot_at = models.DateTimeField(_("last boot"), null=True, blank=True, editable=False)

    # how it is treated; empty: as the setting of the same name says
    heartbeat_interval_s = models.PositiveIntegerField(_("heartbeat interval (s)"), null=True, blank=True)
    call_timeout_s = models.PositiveIntegerField(_("call timeout (s)"), null=True, blank=True)
    unknown_id_tag = models.CharField(
        _("unknown idTags"), max_length=10, blank=True, default="", choices=UnknownIdTagPolicy.choices
    )
    auto_remote_start = models.BooleanField(
        _("auto remote start"),
        null=True,
        blank=True,
        help_text=_("Start with the tag “anonymous” once a car is plugged in. Empty: as OCPP_AUTO_REMOTE_START says."),
    )
    is_strict = models.BooleanField(
        _("strict"),
        null=True,
        blank=True,
        help_text=_(
            "Refuse messages that break the specification instead of tolerating them. Empty: as OCPP_STRICT says."
        ),
    )
    tariff = models.ForeignKey(
        "ocpp_app.Tariff",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="charge_points",
        help_text=_("What charging costs here. Empty: as its site says, or its organisation."),
        db_index=False,
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("charge point")
        verbose_name_plural = _("charge points")
        ordering = ("identity",)
        indexes = (
            models.Index(fields=("registered_serial_number",), name="ocpp_point_serial"),
            models.Index(
                fields=("registration_status",),
                condition=models.Q(registration_status="Pending"),
                name="ocpp_point_pending",
            ),
            models.Index(fields=("site",), condition=models.Q(site__isnull=False), name="ocpp_point_site"),
            models.Index(fields=("tariff",), condition=models.Q(tariff__isnull=False), name="ocpp_point_tariff"),
        )

    def __str__(self) -> str:
        return self.identity

    @property
    def is_connected(self) -> bool:
        """Whether a gateway holds an open session of it."""
        return self.session_id is not None

    @property
    def is_accepted(self) -> bool:
        return self.registration_status == RegistrationStatus.ACCEPTED


class Connector(Deletable):
    """A connector as last reported; number 0 is the charge point as a whole (OCPP 1.6 §4.9)."""

    lock = "charge_point_id"

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="connectors", db_index=False)
    number = models.BigIntegerField(_("connectorId"))
    status = models.CharField(_("status"), max_length=50, blank=True, help_text=_("ChargePointStatus (OCPP 1.6 §7.7)."))
    error_code = models.CharField(
        _("error code"), max_length=50, blank=True, help_text=_("ChargePointErrorCode (§7.6).")
    )
    info = models.CharField(_("info"), max_length=255, blank=True)
    vendor_id = models.CharField(_("vendor id"), max_length=255, blank=True)
    vendor_error_code = models.CharField(_("vendor error code"), max_length=255, blank=True)
    status_at = models.DateTimeField(_("status since"), null=True, blank=True)

    class Meta:
        verbose_name = _("connector")
        verbose_name_plural = _("connectors")
        ordering = ("charge_point", "number")
        constraints = (models.UniqueConstraint(fields=("charge_point", "number"), name="ocpp_connector_number"),)

    def __str__(self) -> str:
        return f"{self.charge_point.identity}/{self.number}"


class StatusHistory(models.Model):
    """One StatusNotification.req (OCPP 1.6 §6.47), kept as it came."""

    connector = models.ForeignKey(
        Connector, models.CASCADE, related_name="status_history", db_index=False, db_constraint=False
    )
    status = models.CharField(_("status"), max_length=50)
    error_code = models.CharField(_("error code"), max_length=50)
    info = models.CharField(_("info"), max_length=255, blank=True)
    vendor_id = models.CharField(_("vendor id"), max_length=255, blank=True)
    vendor_error_code = models.CharField(_("vendor error code"), max_length=255, blank=True)
    timestamp = models.DateTimeField(
        _("charger time"), null=True, help_text=_("The charge point's own clock; empty: not given.")
    )
    received_at = models.DateTimeField(_("received"))

    class Meta:
        verbose_name = _("status notification")
        verbose_name_plural = _("status history")
        ordering = ("-received_at", "-id")
        indexes = (models.Index(fields=("connector", "received_at"), name="ocpp_status_history"),)

    def __str__(self) -> str:
        return f"{self.status} {self.received_at:%Y-%m-%d %H:%M:%S}"


class QuirkNote(models.Model):
    """A habit of a charge point that breaks the specification and was tolerated, counted."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="quirk_notes", db_index=False)
    code = models.CharField(_("habit"), max_length=50)
    action = models.CharField(_("action"), max_length=100)
    field = models.CharField(_("field"), max_length=200, blank=True)
    detail = models.CharField(_("last seen as"), max_length=255, blank=True)
    count = models.PositiveIntegerField(_("times"), default=1)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("quirk note")
        verbose_name_plural = _("quirk notes")
        ordering = ("-last_at",)
        constraints = (
            models.UniqueConstraint(fields=("charge_point", "code", "action", "field"), name="ocpp_quirk_note"),
        )

    def __str__(self) -> str:
        return f"{self.code} ({self.count})"
