"""Authorization keys in frames, and how they are kept out of logs (security whitepaper A01.FR.09).

The key travels as the value of the configuration key ``AuthorizationKey``: in ChangeConfiguration.req, and in the
GetConfiguration.conf of charge points that disclose what should be write-only (whitepaper §7.2). Vendors have secrets
of their own (the password of a wireless network, of an APN): they are known by the words in their keys.
"""

import re
from typing import Any

import msgspec

AUTHORIZATION_KEY = "AuthorizationKey"
REDACTED = "********"
SECRET_WORDS = ("password", "passwd", "passphrase", "secret", "privatekey", "presharedkey", "apikey")
"""A configuration key with one of these in its name, punctuation left out, holds a secret."""

_SUSPECT = re.compile(rb"authorizationkey|\\u00[4-7]", re.IGNORECASE)
"""A frame without any of these holds no key: the name as it is, or with a letter of it escaped."""
_DAMAGED = re.compile(rb"authorizationkey.*", re.IGNORECASE | re.DOTALL)


def redacted(frame: bytes) -> bytes:
    """The frame for a log: as it is, or with the value of every AuthorizationKey replaced by asterisks.

    A frame that names the key and is no JSON is cut off there.
    """
    if not _SUSPECT.search(frame):
        return frame
    return _redacted(frame)


def redacted_answer(frame: bytes) -> bytes:
    """The same of an answer of a charge point, where a GetConfiguration.conf may have other secrets as well."""
    return _redacted(frame) if b"configurationKey" in frame else redacted(frame)


def _redacted(frame: bytes) -> bytes:
    try:
        value = msgspec.json.decode(frame)
        changed = without_keys(value)
        return frame if changed == value else msgspec.json.encode(changed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _DAMAGED.sub(REDACTED.encode(), frame)


def names_key(name: object) -> bool:
    """Whether this is the name of the configuration key; some charge points write it in other letters."""
    return isinstance(name, str) and name.strip().casefold() == AUTHORIZATION_KEY.casefold()


def names_secret(name: object) -> bool:
    """Whether this is the name of a configuration key whose value is nobody's business."""
    if not isinstance(name, str):
        return False
    letters = re.sub(r"[^a-z0-9]", "", name.casefold())
    return letters == AUTHORIZATION_KEY.casefold() or any(word in letters for word in SECRET_WORDS)


def without_keys(value: Any) -> Any:
    """JSON data with the value of every configuration key that holds a secret replaced by asterisks."""
    if isinstance(value, list):
        return [without_keys(item) for item in value]
    if isinstance(value, dict):
        hidden = names_secret(value.get("key"))
        return {
            name: REDACTED if (hidden and name == "value" and item) or names_key(name) else without_keys(item)
            for name, item in value.items()
        }
    return value
