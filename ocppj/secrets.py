"""Authorization keys and other secrets in frames, and how they are kept out of logs (security whitepaper A01.FR.09).

The key travels as the value of the configuration key ``AuthorizationKey``: in ChangeConfiguration.req, and in the
GetConfiguration.conf of charge points that disclose what should be write-only (whitepaper §7.2). Vendors have secrets
of their own (the password of a wireless network, of an APN): they are known by the words in their keys. Addresses of
files have them as well: who knows a one-time address can use it, and FTP has its password before the host.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

AUTHORIZATION_KEY = "AuthorizationKey"
REDACTED = "********"
SECRET_WORDS = ("password", "passwd", "passphrase", "secret", "privatekey", "presharedkey", "apikey")
"""A configuration key with one of these in its name, punctuation left out, holds a secret."""

LOCATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "GetDiagnostics": ("location",),
        "GetLog": ("log", "remoteLocation"),
        "SignedUpdateFirmware": ("firmware", "location"),
        "UpdateFirmware": ("location",),
    }
)
"""Where in a CALL of the central system the address of a file stands."""
HIDDEN = "…"
"""In an address, instead of what is secret."""

_USERINFO = re.compile(r"(?P<scheme>(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?(?P<user>[^:/?#]*)(?P<password>:[^?#]*)?@")
_TOKEN = re.compile(r"(?<=/)[A-Za-z0-9_-]{32,}(?=[/?#]|\Z)")
"""A part of a path that is as long as a token; file names are shorter, or have a dot."""
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_CALL_ERROR = re.compile(rb"\s*\[\s*4\b")
_CALL_WITH_LOCATION = re.compile(rb'\s*\[\s*2\s*,\s*"[^"]*"\s*,\s*"(?:' + "|".join(LOCATIONS).encode() + rb')"')

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
    """The same of an answer of a charge point: a GetConfiguration.conf may have other secrets as well, a CALLERROR the
    address that did not work."""
    if b"configurationKey" in frame:
        return _redacted(frame)
    shown = redacted(frame)
    return _without_addresses(shown) if _CALL_ERROR.match(shown) else shown


def _without_addresses(frame: bytes) -> bytes:
    try:
        value = msgspec.json.decode(frame)
        changed = without_addresses(value)
        return frame if changed == value else msgspec.json.encode(changed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frame


def redacted_call(frame: bytes) -> bytes:
    """The same of a frame of ours, whose CALLs may have the address of a file."""
    if not _CALL_WITH_LOCATION.match(frame):
        return redacted(frame)
    _type, unique_id, action, payload = msgspec.json.decode(frame)
    return msgspec.json.encode([2, unique_id, action, without_location(action, payload)])


def without_location(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of this action with what is secret in its address hidden; the payload itself where it has none."""
    return _changed(payload, LOCATIONS[action]) if action in LOCATIONS else payload


def _changed(payload: Any, path: tuple[str, ...]) -> Any:
    name, *rest = path
    if not isinstance(payload, dict) or name not in payload:
        return payload
    value = payload[name]
    if rest:
        return {**payload, name: _changed(value, tuple(rest))}
    return {**payload, name: shown_location(value) if isinstance(value, str) else HIDDEN}


def shown_location(url: str) -> str:
    """An address without what lets somebody in: its password, its token, its query (a signature stands there)."""
    user = _USERINFO.match(url)
    if user is not None:
        name = f"{user['user']}:{HIDDEN}" if user["password"] else HIDDEN
        url = f"{user['scheme'] or ''}{name}@{url[user.end() :]}"
    return _QUERY.sub(f"?{HIDDEN}", _TOKEN.sub(HIDDEN, url))


def without_addresses(value: Any) -> Any:
    """JSON data, or a text, with what is secret in every address hidden: a charge point that could not use an address
    likes to repeat it."""
    if isinstance(value, str):
        return _ADDRESS.sub(lambda found: shown_location(found[0]), value)
    if isinstance(value, list):
        return [without_addresses(item) for item in value]
    if isinstance(value, dict):
        return {name: without_addresses(item) for name, item in value.items()}
    return value


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
