"""Is this request from our central system, and new?"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a webhook was signed with ``secret`` (whsec_…) in the last five minutes; ``body`` is the raw body."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    is_recent = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    given = headers["webhook-signature"].split()
    return is_recent and any(hmac.compare_digest(expected, signature) for signature in given)
