"""The frame log."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.command import Command


class Direction(models.TextChoices):
    """Who sent the first frame of an exchange."""

    INBOUND = "in", _("from the charge point")
    OUTBOUND = "out", _("to the charge point")


class Message(models.Model):
    """One exchange of frames: a CALL with its answer linked to it, or a lone frame that asks nothing and answers
    nothing.

    Frames are kept as they were on the wire (what is no UTF-8 is shown escaped). ``relay_id`` is the gateway's id for
    an inbound frame;
    unique, so that a redelivered frame is answered from here and never carried out twice.
    """

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="messages", db_index=False, db_constraint=False
    )
    session_id = models.UUIDField(
        _("session"), null=True, help_text=_("The websocket session; not a foreign key: sessions may be pruned.")
    )
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    unique_id = models.CharField(_("unique id"), max_length=255, blank=True)
    action = models.CharField(_("action"), max_length=255, blank=True)
    raw = models.TextField(_("frame"))
    at = models.DateTimeField(_("time"), help_text=_("Received by the gateway, or handed to it."))
    answer_type = models.PositiveSmallIntegerField(
        _("answer type"), null=True, choices=((3, "CALLRESULT"), (4, "CALLERROR")), help_text=_("Empty: no answer.")
    )
    answer = models.TextField(_("answer"), blank=True)
    answered_at = models.DateTimeField(_("answered"), null=True)
    command = models.OneToOneField(
        Command,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="message",
        help_text=_("Of which this is the frame."),
    )
    relay_id = models.UUIDField(null=True, unique=True, editable=False)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ("-id",)
        indexes = (models.Index(fields=("charge_point", "at"), name="ocpp_message_log"),)

    def __str__(self) -> str:
        return f"{self.action or '?'} {self.unique_id}"


class FailedMessage(models.Model):
    """A transaction message on which our code or a user's middleware failed: kept raw, to be replayed (``manage.py
    replay``)."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="failed_messages")
    session_id = models.UUIDField(_("session"), null=True)
    action = models.CharField(_("action"), max_length=255)
    raw = models.TextField(_("frame"))
    received_at = models.DateTimeField(_("received"))
    error = models.TextField(_("error"), help_text=_("The exception with its traceback."))
    answered_with = models.TextField(_("answer"), help_text=_("What the charge point was told."))
    replayed_at = models.DateTimeField(_("replayed"), null=True, blank=True)
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("failed message")
        verbose_name_plural = _("failed messages")
        ordering = ("-received_at", "-id")
        indexes = (
            models.Index(
                fields=("-received_at",), condition=models.Q(replayed_at=None), name="ocpp_failed_message_open"
            ),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.received_at:%Y-%m-%d %H:%M:%S}"
