"""Deliver once more what was delivered, or given up, before."""

from django.db.models import QuerySet
from django.utils import timezone

from ocpp_app.models import DeliveryState, WebhookDelivery

REPLAYABLE = (DeliveryState.DELIVERED, DeliveryState.GIVEN_UP)


def replay(deliveries: QuerySet[WebhookDelivery]) -> int:
    """Let these deliveries be made once more, with retries for a day; returns how many.

    A receiver knows them by their ``webhook-replay`` header: they come beside the order of the others. What is still
    being tried is left alone.
    """
    now = timezone.now()
    done = deliveries.filter(state__in=REPLAYABLE)
    return done.update(state=DeliveryState.REPLAY, attempts=0, replay_at=now, replay_asked_at=now)
