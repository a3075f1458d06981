"""CALLs of ours, from the moment they were asked for."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.command_batch import CommandBatch
from ocpp_app.models.session import Session


class CommandState(models.TextChoices):
    """Where a command stands; the first three are alive, the others final (a late answer still completes timed_out
    and lost)."""

    QUEUED = "queued", _("queued: waits for the charge point")
    DISPATCHED = "dispatched", _("dispatched: handed to the gateway")
    SENT = "sent", _("sent: written to the charge point's socket")
    ANSWERED = "answered", _("answered")
    ERROR = "error", _("answered with a CALLERROR")
    TIMED_OUT = "timed_out", _("timed out: no answer in time")
    LOST = "lost", _("lost: the connection ended before the answer; it may have been carried out")
    EXPIRED = "expired", _("expired: too old to be sent")
    CANCELLED = "cancelled", _("cancelled")


ALIVE_STATES = (CommandState.QUEUED, CommandState.DISPATCHED, CommandState.SENT)

_WRITTEN = frozenset({CommandState.SENT, CommandState.ANSWERED, CommandState.ERROR, CommandState.TIMED_OUT})
"""What a gateway's report or an answer proves: the CALL was written, whatever we believed."""
_UNWRITTEN = frozenset({CommandState.EXPIRED, CommandState.CANCELLED})
_ANSWERS = frozenset({CommandState.ANSWERED, CommandState.ERROR})
TRANSITIONS: Mapping[CommandState, frozenset[CommandState]] = MappingProxyType(
    {
        CommandState.QUEUED: frozenset({CommandState.DISPATCHED}) | _WRITTEN | _UNWRITTEN,
        CommandState.DISPATCHED: frozenset({CommandState.QUEUED, CommandState.LOST}) | _WRITTEN | _UNWRITTEN,
        CommandState.SENT: frozenset({CommandState.TIMED_OUT, CommandState.LOST}) | _ANSWERS,
        # A late answer completes what had been given up. Nothing else is undone.
        CommandState.TIMED_OUT: _ANSWERS,
        CommandState.LOST: _ANSWERS,
        CommandState.ANSWERED: frozenset(),
        CommandState.ERROR: frozenset(),
        CommandState.EXPIRED: frozenset(),
        CommandState.CANCELLED: frozenset(),
    }
)
"""From each state to those that may follow it. ``ocpp_app.lifecycle`` is the only way from one to another."""


class Command(models.Model):
    """A CALL from the central system; its primary key is the frame's unique id."""

    id = models.UUIDField(_("unique id"), primary_key=True, default=uuid.uuid4, editable=False)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="commands", db_index=False)
    action = models.CharField(_("action"), max_length=100)
    payload = models.JSONField(_("payload"), help_text=_("As on the wire."))
    frame = models.TextField(
        _("frame"),
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("The CALL, byte for byte as it is sent."),
    )
    state = models.CharField(_("state"), max_length=20, choices=CommandState.choices, default=CommandState.QUEUED)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    source = models.CharField(
        _("source"), max_length=100, blank=True, help_text=_("Which middleware, task or console asked for it.")
    )
    api_token = models.CharField(
        _("API token"),
        max_length=250,
        blank=True,
        default="",
        db_default="",
        help_text=_("The name of the token it was asked for with."),
    )
    idempotency_key = models.CharField(
        _("idempotency key"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("A request that repeats the key for the same charge point gets this command."),
    )
    batch = models.ForeignKey(
        CommandBatch,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="commands",
        verbose_name=_("command to many"),
        help_text=_("Of which it is this charge point's part."),
    )
    transaction = models.ForeignKey(
        "ocpp_app.Transaction",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="commands",
        help_text=_("Which it has started, or was to stop."),
    )
    timeout_s = models.FloatField(_("timeout (s)"), help_text=_("How long the answer is waited for once it was sent."))
    delay_s = models.FloatField(_("delay (s)"), default=0)
    not_before = models.DateTimeField(
        _("not before"), null=True, blank=True, help_text=_("Does not leave earlier; empty: at once.")
    )
    expires_at = models.DateTimeField(
        _("expires"), null=True, blank=True, help_text=_("Not sent from then on; empty: never waits.")
    )
    session = models.ForeignKey(Session, models.SET_NULL, null=True, blank=True, related_name="commands")
    reply_to = models.CharField(
        max_length=255, blank=True, editable=False, help_text=_("The queue of whoever waits for it.")
    )

    created_at = models.DateTimeField(_("created"))
    dispatched_at = models.DateTimeField(_("dispatched"), null=True, blank=True)
    repeated_at = models.DateTimeField(
        _("repeated"), null=True, blank=True, help_text=_("Handed to the gateway again, which had said nothing of it.")
    )
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(
        _("cancel requested"), null=True, blank=True, help_text=_("The gateway was asked to take it back.")
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    latency_s = models.FloatField(
        _("latency (s)"), null=True, blank=True, help_text=_("From the writing of the CALL to its answer, as measured.")
    )
    response = models.JSONField(
        _("response"), null=True, blank=True, help_text=_("The answer's payload as on the wire.")
    )
    status = models.CharField(
        _("status"),
        max_length=50,
        blank=True,
        help_text=_("The charge point's own word: Accepted, Rejected, Unlocked …"),
    )
    error_code = models.CharField(_("error code"), max_length=100, blank=True)
    error_description = models.TextField(_("error description"), blank=True)
    error_details = models.JSONField(_("error details"), null=True, blank=True)
    is_late = models.BooleanField(_("late"), default=False, help_text=_("The answer came after the timeout."))
    reason = models.CharField(
        _("reason"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why it ended without an answer."),
    )

    class Meta:
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("charge_point", "created_at"), name="ocpp_command_history"),
            models.Index(
                fields=("charge_point", "created_at"),
                condition=models.Q(state__in=["queued", "dispatched", "sent"]),
                name="ocpp_command_alive",
            ),
            # SQLite does not use a partial index for a condition with parameters.
            models.Index(fields=("state", "created_at"), name="ocpp_command_state"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("charge_point", "idempotency_key"),
                condition=~models.Q(idempotency_key=""),
                name="ocpp_command_idempotency",
            ),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.id}"

    @property
    def is_finished(self) -> bool:
        return self.state not in ALIVE_STATES

    def may_become(self, state: CommandState) -> bool:
        """Whether ``state`` may follow the state that it has."""
        return state in TRANSITIONS[CommandState(self.state)]

    @property
    def waited(self) -> timedelta | None:
        """How long it waited until it was written to the socket, or for ever."""
        end = self.sent_at or self.finished_at
        return None if end is None else end - self.created_at

    @property
    def took(self) -> timedelta | None:
        """From the request to its end."""
        return None if self.finished_at is None else self.finished_at - self.created_at
