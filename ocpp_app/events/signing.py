"""The signature of a webhook, as Standard Webhooks (https://www.standardwebhooks.com) has it: receivers in every
language have a library for it.

``webhook-signature: v1,<base64 of HMAC-SHA256(secret, "<id>.<timestamp>.<body>")>``; while a secret is being replaced,
one signature with each, separated by a space.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from ocpp_app.models import WebhookSubscription

PREFIX = "whsec_"
BOTH_VALID_FOR = timedelta(days=1)
"""How long after a new secret the old one signs as well."""


def give_secret(subscription: WebhookSubscription) -> str:
    """Give a subscription its first secret, or a new one: returned here, readable nowhere else. Save it afterwards."""
    if subscription.secret_salt:
        subscription.previous_salt = subscription.secret_salt
        subscription.previous_until = timezone.now() + BOTH_VALID_FOR
    subscription.secret_salt = secrets.token_hex(32)
    return _secret(subscription.secret_salt, settings.SECRET_KEY)


def secrets_of(subscription: WebhookSubscription, now: datetime) -> list[str]:
    """The secrets that sign for it now: more than one while it, or ``SECRET_KEY``, is being replaced."""
    salts = [subscription.secret_salt]
    if subscription.previous_salt and subscription.previous_until is not None and now < subscription.previous_until:
        salts.append(subscription.previous_salt)
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [_secret(salt, str(key)) for salt in salts for key in keys]


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a body with one secret."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _secret(salt: str, secret_key: str) -> str:
    """A secret that is in no table: whoever reads the database cannot sign."""
    digest = hmac.new(secret_key.encode(), b"ocpp webhook " + bytes.fromhex(salt), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(digest).decode()
