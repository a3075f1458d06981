"""Who did what, and who was kept out."""

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.organisation import Organisation


class AppendOnly(TypeError):
    """Somebody tried to change or delete what may only be added to."""


class AppendOnlyQuerySet(models.QuerySet):
    """Reads and adds; everything else raises ``AppendOnly``."""

    def update(self, **_values: Any) -> NoReturn:
        raise AppendOnly("The audit log is append-only: an entry is never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnly("The audit log is append-only: an entry is never deleted.")

    def bulk_update(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly("The audit log is append-only: an entry is never changed.")


class AuditEntry(models.Model):
    """One deed of a person, a program or the system itself: written once, never changed or deleted by this application.

    Who it was and what it was about are kept as text: they outlive the account and the charge point.
    """

    at = models.DateTimeField(_("time"), auto_now_add=True, db_index=True)
    actor = models.CharField(_("who"), max_length=255, blank=True, help_text=_("Empty: the system itself."))
    actor_id = models.CharField(_("account"), max_length=64, blank=True)
    remote_address = models.CharField(_("remote address"), max_length=100, blank=True)
    action = models.CharField(_("what"), max_length=100)
    subject = models.CharField(_("to what"), max_length=255, blank=True)
    detail = models.TextField(_("detail"), blank=True)
    organisation = models.ForeignKey(Organisation, models.SET_NULL, null=True, blank=True, related_name="+")
    charge_point = models.ForeignKey(ChargePoint, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.subject}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("The audit log is append-only: an entry is never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The audit log is append-only: an entry is never deleted.")


class SecurityEventKind(models.TextChoices):
    """What can happen at the door."""

    WRONG_CREDENTIALS = "wrong_credentials", _("wrong user name or password")
    WEAK_PROFILE = "weak_profile", _("less security than its profile requires")
    WRONG_CERTIFICATE = "wrong_certificate", _("client certificate of somebody else")
    UNKNOWN_IDENTITY = "unknown_identity", _("identity that nobody has registered")
    TOO_MANY_UNKNOWN = "too_many_unknown", _("too many charge points wait for approval")
    HIJACK = "hijack", _("weaker connection that would have replaced a stronger one")
    REPLACED = "replaced", _("second connection replaced the first")
    FLAPPING = "flapping", _("two devices under one identity")
    KEY_REJECTED = "key_rejected", _("charge point refused a new key or profile")
    UPGRADE_FELL_BACK = "upgrade_fell_back", _("charge point did not come back with its new key or profile")
    CONNECTIONS_PER_ADDRESS = "connections_per_address", _("too many connections of one address")
    PENDING_HANDSHAKES = "pending_handshakes", _("too many sockets without a request")
    SLOW_HANDSHAKE = "slow_handshake", _("no complete request in time")
    TLS_FAILED = "tls_failed", _("TLS handshake failed")
    FAILED_ATTEMPTS = "failed_attempts", _("too many failed attempts")
    FRAME_RATE = "frame_rate", _("too many frames")
    BYTE_RATE = "byte_rate", _("too many bytes")
    FRAME_SIZE = "frame_size", _("too large a frame")
    INBOUND_QUEUE = "inbound_queue", _("too many CALLs wait for their turn")
    LOGIN_THROTTLED = "login_throttled", _("too many failed logins")
    WRONG_TOKEN = "wrong_token", _("API token that is none")
    FOREIGN_ROW = "foreign_row", _("row of another organisation asked for")
    WRONG_TRANSFER = "wrong_transfer", _("one-time address that is none, or is over")


class SecurityEvent(models.Model):
    """Something that was kept out or slowed down, counted for each hour."""

    kind = models.CharField(_("what"), max_length=50, choices=SecurityEventKind.choices)
    identity = models.CharField(_("identity"), max_length=255, blank=True, help_text=_("As claimed. Empty: unknown."))
    remote_address = models.CharField(_("remote address"), max_length=100, blank=True)
    hour = models.DateTimeField(_("hour"))
    charge_point = models.ForeignKey(ChargePoint, models.SET_NULL, null=True, blank=True, related_name="+")
    organisation = models.ForeignKey(Organisation, models.SET_NULL, null=True, blank=True, related_name="+")
    detail = models.CharField(_("last seen as"), max_length=255, blank=True)
    count = models.PositiveIntegerField(_("times"), default=1)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"), db_index=True)

    class Meta:
        verbose_name = _("security event")
        verbose_name_plural = _("security events")
        ordering = ("-last_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "identity", "remote_address", "hour"), name="ocpp_security_event_hour"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.identity} ({self.count})"
