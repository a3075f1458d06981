"""Try a webhook out: one event that tells of nothing."""

import uuid
from threading import Timer

import msgspec
from django.utils import timezone

from ocpp_app.events import body, signing
from ocpp_app.events.posting import LONGEST_S, Answer, Poster, headers_of
from ocpp_app.models import WebhookSubscription

TYPE = "webhook.test"


def try_out(subscription: WebhookSubscription) -> Answer:
    """Post an event of this type to the subscription, signed as all are; how it was answered."""
    now = timezone.now()
    message_id = uuid.uuid4()
    test = body.Body(
        id=message_id,
        type=TYPE,
        version=1,
        at=now,
        sequence=0,
        organisation=subscription.organisation.slug,
        charge_point="",
        data=msgspec.Raw(b"{}"),
    )
    sent = msgspec.json.encode(test)
    secrets = signing.secrets_of(subscription, now)
    poster = Poster(subscription.url)
    patience = Timer(LONGEST_S, poster.abort)
    patience.daemon = True
    patience.start()
    try:
        headers = headers_of(str(message_id), secrets, sent, now, attempt=1, is_replay=False)
        return poster.post(headers, sent)
    finally:
        patience.cancel()
        poster.close()
