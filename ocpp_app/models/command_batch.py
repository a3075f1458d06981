"""One command to many charge points."""

import uuid
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.organisation import Organisation


class CommandBatch(models.Model):
    """The same CALL to a set of charge points; what became of it at each of them is in its ``Command``.

    ``organisation`` is empty where the charge points belong to several: then only a superuser sees the whole batch.
    """

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(
        Organisation,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="command_batches",
        help_text=_("Empty: the charge points belong to several."),
        db_index=False,
    )
    action = models.CharField(_("action"), max_length=100)
    payload = models.JSONField(_("payload"), help_text=_("As on the wire."))
    selection = models.JSONField(
        _("selection"), default=dict, blank=True, help_text=_("By what the charge points were chosen.")
    )
    size = models.PositiveIntegerField(_("charge points"), help_text=_("To how many it goes."))
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    api_token = models.CharField(
        _("API token"),
        max_length=250,
        blank=True,
        help_text=_("The name of the token it was asked for with."),
    )
    source = models.CharField(
        _("source"), max_length=100, blank=True, help_text=_("Which task or console asked for it.")
    )
    idempotency_key = models.CharField(
        _("idempotency key"),
        max_length=255,
        blank=True,
        help_text=_("A request that repeats the key in the same organisation gets this batch."),
    )
    expires_at = models.DateTimeField(
        _("expires"), null=True, blank=True, help_text=_("Not sent from then on; empty: waits for nobody.")
    )
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("command to many")
        verbose_name_plural = _("commands to many")
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("organisation", "-created_at"), name="ocpp_batch_history"),)
        constraints = (
            models.UniqueConstraint(
                fields=("organisation", "idempotency_key"),
                condition=~models.Q(idempotency_key=""),
                name="ocpp_batch_idempotency",
            ),
            models.UniqueConstraint(  # NULL equals no other NULL
                fields=("idempotency_key",),
                condition=models.Q(organisation=None) & ~models.Q(idempotency_key=""),
                name="ocpp_batch_idempotency_of_all",
            ),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.id}"

    @cached_property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """How many of its commands have which state and which word of the charge point's, as it is now."""
        return outcomes_of([self]).get(self.pk, {})

    @property
    def states(self) -> dict[str, int]:
        """How many of its commands are in which state."""
        return _summed((state, count) for (state, _status), count in self.outcomes.items())

    @property
    def statuses(self) -> dict[str, int]:
        """How often the charge points have answered with which word of their own: Accepted, Rejected …"""
        return _summed((status, count) for (_state, status), count in self.outcomes.items() if status)


def outcomes_of(batches: Iterable[CommandBatch]) -> dict[uuid.UUID, dict[tuple[str, str], int]]:
    """The ``outcomes`` of several batches, in one query; each of them knows its own from then on."""
    found: dict[uuid.UUID, dict[tuple[str, str], int]] = {}
    known = list(batches)
    commands: Any = CommandBatch.objects.filter(pk__in=[batch.pk for batch in known], commands__isnull=False)
    rows = commands.order_by().values_list("pk", "commands__state", "commands__status").annotate(Count("commands"))
    for pk, state, status, count in rows:
        found.setdefault(pk, {})[state, status] = count
    for batch in known:
        batch.__dict__["outcomes"] = found.get(batch.pk, {})
    return found


def _summed(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for word, count in sorted(counts):
        total[word] = total.get(word, 0) + count
    return total
