"""Domain events on their way to other systems: the outbox, who subscribed, and what became of each delivery."""

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.organisation import Organisation, default_organisation_id


class Event(models.Model):
    """Something that happened at a charge point, written with what caused it, in the same transaction.

    ``sequence`` counts the events of a charge point; it has no gaps, and each is written while the charge point's row
    is locked: what is visible is in order. Rows are kept for OCPP_EVENTS_KEEP_DAYS.
    """

    uid = models.UUIDField(_("id"), unique=True, default=uuid.uuid4, editable=False)
    type = models.CharField(_("event"), max_length=50)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+", db_index=False)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="+", db_index=False)
    sequence = models.BigIntegerField(_("sequence number"))
    at = models.DateTimeField(_("time"), db_index=True)
    data = models.TextField(_("data"), help_text=_("JSON, as it is sent."))
    exchange_due = models.BooleanField(
        _("due on the exchange"), default=False, help_text=_("RabbitMQ has not confirmed it yet.")
    )
    webhooks_due = models.BooleanField(
        _("due for webhooks"), default=False, help_text=_("Not handed to the webhook subscriptions yet.")
    )

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("organisation", "id"), name="ocpp_event_organisation"),
            models.Index(fields=("id",), condition=models.Q(exchange_due=True), name="ocpp_event_exchange"),
            models.Index(fields=("id",), condition=models.Q(webhooks_due=True), name="ocpp_event_webhooks"),
        )
        constraints = (models.UniqueConstraint(fields=("charge_point", "sequence"), name="ocpp_event_sequence"),)

    def __str__(self) -> str:
        return f"{self.type} {self.sequence}"


class WebhookSubscription(models.Model):
    """An address that gets the events of an organisation by HTTP POST, signed.

    The secret is not stored: it is derived from ``secret_salt`` and ``SECRET_KEY``. ``active_since``: what happened
    before it is not delivered.
    """

    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="webhooks", default=default_organisation_id
    )
    name = models.CharField(_("name"), max_length=200)
    url = models.CharField(_("address"), max_length=2000, help_text=_("Where events are posted to, such as https://…"))
    events = models.JSONField(
        _("events"), default=list, help_text=_("Which it gets: names, “transaction.*” for a kind, “*” for all.")
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("While it is not, it gets nothing, and what waits for it is dropped.")
    )
    active_since = models.DateTimeField(_("active since"), default=timezone.now, editable=False)
    secret_salt = models.CharField(max_length=64, editable=False)
    previous_salt = models.CharField(max_length=64, blank=True, editable=False)
    previous_until = models.DateTimeField(
        _("old secret valid until"), null=True, blank=True, editable=False, help_text=_("Signed with both until then.")
    )
    failures = models.PositiveIntegerField(
        _("failures in a row"), default=0, editable=False, help_text=_("How often it could not be reached.")
    )
    paused_until = models.DateTimeField(
        _("next attempt"), null=True, blank=True, editable=False, help_text=_("After it could not be reached.")
    )
    last_success_at = models.DateTimeField(_("last success"), null=True, blank=True, editable=False)
    last_error = models.CharField(_("last error"), max_length=255, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    _was_active: bool | None = None

    class Meta:
        verbose_name = _("webhook subscription")
        verbose_name_plural = _("webhook subscriptions")
        ordering = ("organisation", "name", "pk")

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save it; one that is switched on again is active from now on."""
        if self.is_active and self._was_active is False:
            self.active_since = timezone.now()
            self.failures, self.paused_until = 0, None
            if kwargs.get("update_fields") is not None:
                more = {"active_since", "failures", "paused_until"}
                kwargs["update_fields"] = sorted({*kwargs["update_fields"], *more})
        super().save(*args, **kwargs)
        self._was_active = self.is_active

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> "WebhookSubscription":
        loaded = super().from_db(*args, **kwargs)
        loaded._was_active = loaded.__dict__.get("is_active")
        return loaded


class WebhookStream(models.Model):
    """How far a subscription has come with the events of one charge point: they are delivered one after the other."""

    subscription = models.ForeignKey(WebhookSubscription, models.CASCADE, related_name="streams", db_index=False)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="+")
    position = models.BigIntegerField(_("delivered to"), help_text=_("The last sequence number that is done."))
    head = models.BigIntegerField(_("to be delivered to"), help_text=_("The last sequence number that it is to get."))
    attempts = models.PositiveIntegerField(_("attempts"), default=0, help_text=_("Of the event that is next."))
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)

    class Meta:
        verbose_name = _("webhook stream")
        verbose_name_plural = _("webhook streams")
        ordering = ("subscription", "charge_point")
        indexes = (
            models.Index(
                fields=("subscription", "due_at"),
                condition=models.Q(position__lt=models.F("head")),
                name="ocpp_webhook_due",
            ),
        )
        constraints = (models.UniqueConstraint(fields=("subscription", "charge_point"), name="ocpp_webhook_stream"),)

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.charge_point_id}"


class DeliveryState(models.TextChoices):
    """What became of an event for a subscription."""

    DELIVERED = "delivered", _("delivered")
    RETRYING = "retrying", _("failed, will be tried again")
    GIVEN_UP = "given_up", _("failed for a day, given up")
    REPLAY = "replay", _("to be delivered once more")


class WebhookDelivery(models.Model):
    """The delivery log: one event for one subscription, with its last attempt."""

    subscription = models.ForeignKey(WebhookSubscription, models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    state = models.CharField(_("state"), max_length=20, choices=DeliveryState.choices)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    last_attempt_at = models.DateTimeField(_("last attempt"), null=True)
    status_code = models.PositiveIntegerField(_("HTTP status"), null=True, help_text=_("Empty: there was no answer."))
    error = models.CharField(_("error"), max_length=255, blank=True)
    response = models.CharField(_("response"), max_length=500, blank=True, help_text=_("How the answer's body begins."))
    duration_s = models.FloatField(_("duration (s)"), null=True)
    replay_at = models.DateTimeField(
        _("replay at"), null=True, blank=True, help_text=_("When it is tried once more because somebody asked for it.")
    )
    replay_asked_at = models.DateTimeField(_("replay asked for"), null=True, blank=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("subscription", "id"), name="ocpp_delivery_log"),
            models.Index(
                fields=("subscription", "replay_at"), condition=models.Q(state="replay"), name="ocpp_delivery_replay"
            ),
        )
        constraints = (models.UniqueConstraint(fields=("subscription", "event"), name="ocpp_delivery_event"),)

    def __str__(self) -> str:
        return f"{self.event_id} {self.state}"
