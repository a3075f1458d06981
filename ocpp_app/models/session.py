"""Gateways and the websocket sessions they hold."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Gateway(models.Model):
    """One run of a gateway process, known by its announcements."""

    name = models.CharField(_("name"), max_length=200, unique=True, help_text=_("Unique for each run of the process."))
    queue = models.CharField(
        _("queue"),
        max_length=255,
        blank=True,
        help_text=_("The broker queue on which it takes replies and commands now."),
    )
    connections = models.PositiveIntegerField(_("connections"), default=0)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    last_announced_at = models.DateTimeField(_("last announced"), db_default=Now(), db_index=True)
    gone_at = models.DateTimeField(_("gone"), null=True, help_text=_("When it said good-bye or was found silent."))

    class Meta:
        verbose_name = _("gateway")
        verbose_name_plural = _("gateways")
        ordering = ("-last_announced_at",)

    def __str__(self) -> str:
        return self.name


class Session(models.Model):
    """One websocket connection of a charge point, from its acceptance to its end (connection history)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    charge_point = models.ForeignKey("ocpp_app.ChargePoint", models.CASCADE, related_name="sessions", db_index=False)
    gateway = models.ForeignKey(Gateway, models.SET_NULL, null=True, related_name="sessions")
    remote_address = models.CharField(_("remote address"), max_length=100, blank=True)
    path = models.CharField(_("path"), max_length=500, blank=True)
    subprotocol = models.CharField(
        _("subprotocol"),
        max_length=50,
        blank=True,
        help_text=_("Empty: the charge point asked for none; taken as OCPP 1.6."),
    )
    user_agent = models.CharField(_("user agent"), max_length=255, blank=True)
    secure = models.BooleanField(_("TLS"), default=False)
    authenticated = models.BooleanField(_("authenticated"), default=False)
    security_profile = models.PositiveSmallIntegerField(
        _("security profile"), default=0, help_text=_("What the connection had, which may be more than is required.")
    )
    certificate_fingerprint = models.CharField(_("client certificate (SHA-256)"), max_length=100, blank=True)
    connected_at = models.DateTimeField(_("connected"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    close_code = models.PositiveIntegerField(
        _("close code"), null=True, help_text=_("RFC 6455 §7.4; 1006: lost without a close.")
    )
    close_reason = models.CharField(_("close reason"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ("-connected_at",)
        indexes = (
            models.Index(fields=("charge_point", "connected_at"), name="ocpp_session_history"),
            models.Index(fields=("gateway",), condition=models.Q(ended_at=None), name="ocpp_session_open"),
        )

    def __str__(self) -> str:
        return f"{self.charge_point_id} {self.connected_at:%Y-%m-%d %H:%M:%S}"
