"""Authorization keys and other secrets in frames, and how they are kept out of logs (security whitepaper A01.FR.09).

The key travels as the value of the configuration key ``AuthorizationKey``: in ChangeConfiguration.req, and in the
GetConfiguration.conf of charge points that disclose what should be write-only (whitepaper §7.2). Vendors have secrets
of their own (the password of a wireless network, of an APN): they are known by the words in their keys. Addresses of
files have them as well: who knows a one-time address can use it, and FTP has its password before the host.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

AUTHORIZATION_KEY = "AuthorizationKey"
REDACTED = "********"
SECRET_TEXTS = (
    "password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "pwd", "simpin",
    "secret", "credential", "privatekey", "presharedkey", "encryptionkey", "apikey",
    "authtoken", "accesstoken", "apitoken",
)  # fmt: skip
"""A configuration key with one of these in its name, punctuation left out, holds a secret."""
SECRET_WORDS = frozenset({"psk", "pin", "puk"})
"""The same as a whole word of the name (WiFiPSK, sim_pin): other words have them within (Mapping, StopSkipped)."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

LOCATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "GetDiagnostics": ("location",),
        "GetLog": ("log", "remoteLocation"),
        "SignedUpdateFirmware": ("firmware", "location"),
        "UpdateFirmware": ("location",),
    }
)
"""Where in a CALL of the central system the address of a file stands."""
METERED = ("MeterValues", "StartTransaction", "StopTransaction")
"""CALLs whose texts are evidence (signed values), and that are replayed from the log: addresses not of ours stay."""
ONE_TIME = "onetime_"
"""What the secret part of a one-time address of ours begins with: so it is known wherever it turns up."""
HIDDEN = "…"
"""In an address, instead of what is secret."""

_USERINFO = re.compile(r"(?P<scheme>(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?(?P<user>[^:/?#]*)(?P<password>:[^?#]*)?@")
_TOKEN = re.compile(r"(?<=/)[A-Za-z0-9_-]{32,}(?=[/?#]|\Z)")
"""A part of a path that is as long as a token; file names are shorter, or have a dot."""
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}://[^\s\"'<>]+")
"""The length of the scheme is bounded, or a frame full of letters would be searched from each of them to its end."""
_ONE_TIME = re.compile(rf"{ONE_TIME[:-1]}(?:_|%5F)(?:[A-Za-z0-9_-]|%5F|%2D)+", re.IGNORECASE)
_CALL_WITH_LOCATION = re.compile(rb'\s*\[\s*2\s*,\s*"[^"]*"\s*,\s*"(?:' + "|".join(LOCATIONS).encode() + rb')"')

_SUSPECT = (b"authorizationkey", b'"key"', b"://", b":\\/", rb"\u00", ONE_TIME[:-1].encode())
"""A frame, in small letters, without any of these has no secret: names as they are, or with a character escaped."""
_AFTER_KEY = re.compile(rf"(?<={AUTHORIZATION_KEY})(?=.*\w).+", re.IGNORECASE | re.DOTALL)
_DAMAGED = re.compile(rf"{AUTHORIZATION_KEY}.*", re.IGNORECASE | re.DOTALL)


# -- frames ------------------------------------------------------------------------------------------------------------


def redacted(frame: bytes) -> bytes:
    """The frame for a log: as it is, or with the value of every secret configuration key replaced by asterisks, and
    without what is secret in addresses, which a charge point that could not use one likes to repeat.

    A frame that names the authorization key and is no JSON is cut off there.
    """
    lowered = frame.lower()
    for suspect in _SUSPECT:  # a loop, not any(): this is done for every frame
        if suspect in lowered:
            return _changed(frame, _for_log, lambda text: _without_addresses(_DAMAGED.sub(REDACTED, text)))
    return frame


def redacted_call(frame: bytes) -> bytes:
    """The same of a frame of ours, whose CALLs may have the address of a file in other spellings."""
    if not _CALL_WITH_LOCATION.match(frame):
        return redacted(frame)
    _type, unique_id, action, payload = msgspec.json.decode(frame)
    return msgspec.json.encode([2, unique_id, action, without_location(action, payload)])


def without_keys_in(raw: bytes) -> bytes:
    """JSON with the value of every secret configuration key replaced by asterisks; all else is as it was."""
    return _changed(raw, without_keys, lambda text: _DAMAGED.sub(REDACTED, text)) if b"key" in raw.lower() else raw


def without_one_time_addresses(frame: bytes) -> bytes:
    """The frame of a charge point without what lets somebody in of the one-time addresses of ours that it repeats."""
    lowered = frame.lower()
    if ONE_TIME[:-1].encode() not in lowered and rb"\u00" not in lowered:
        return frame
    return _changed(frame, lambda value: map_texts(value, _without_one_time), _without_one_time)


def _changed(frame: bytes, change: Callable[[Any], Any], change_text: Callable[[str], str]) -> bytes:
    """The frame itself where nothing in it changes; what is no JSON is changed as a text."""
    try:
        value = msgspec.json.decode(frame)
        changed = change(value)
        return frame if changed == value else msgspec.json.encode(changed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return change_text(frame.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _for_log(value: Any) -> Any:
    is_metered = isinstance(value, list) and len(value) > 2 and value[2] in METERED
    text = _without_one_time if is_metered else _without_addresses
    return map_texts(without_keys(value), lambda found: text(_AFTER_KEY.sub(REDACTED, found)))


# -- configuration keys ------------------------------------------------------------------------------------------------


def names_key(name: object) -> bool:
    """Whether this is the name of the configuration key; some charge points write it in other letters."""
    return isinstance(name, str) and name.strip().casefold() == AUTHORIZATION_KEY.casefold()


def names_secret(name: object) -> bool:
    """Whether this is the name of a configuration key whose value is nobody's business."""
    if not isinstance(name, str):
        return False
    letters = re.sub(r"[^a-z0-9]", "", name.casefold())
    words = [word.casefold() for word in _WORD.findall(name)]
    return (
        letters == AUTHORIZATION_KEY.casefold()
        or any(text in letters for text in SECRET_TEXTS)
        or not SECRET_WORDS.isdisjoint(words)
        or letters.rstrip("0123456789").endswith("psk")  # wpapsk
        or words[-1:] == ["pass"]  # FtpPass, FTP_PASS; not Bypass, nor PassThrough
    )


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


# -- addresses ---------------------------------------------------------------------------------------------------------


def shown_location(url: str) -> str:
    """An address without what lets somebody in: its password, its token, its query (a signature stands there)."""
    user = _USERINFO.match(url)
    if user is not None:
        name = f"{user['user']}:{HIDDEN}" if user["password"] else HIDDEN
        url = f"{user['scheme'] or ''}{name}@{url[user.end() :]}"
    return _QUERY.sub(f"?{HIDDEN}", _TOKEN.sub(HIDDEN, url))


def without_location(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of this action with what is secret in its address hidden; the payload itself where it has none."""
    return _with_hidden(payload, LOCATIONS[action]) if action in LOCATIONS else payload


def without_addresses(value: Any) -> Any:
    """JSON data, or a text, with what is secret in every address hidden."""
    return map_texts(value, _without_addresses)


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """JSON data with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {change(name): map_texts(item, change) for name, item in value.items()}
    return value


def _with_hidden(payload: Any, path: tuple[str, ...]) -> Any:
    name, *rest = path
    if not isinstance(payload, dict) or name not in payload:
        return payload
    value = payload[name]
    if rest:
        return {**payload, name: _with_hidden(value, tuple(rest))}
    return {**payload, name: shown_location(value) if isinstance(value, str) else HIDDEN}


def _without_addresses(text: str) -> str:
    return _without_one_time(_ADDRESS.sub(lambda found: shown_location(found[0]), text))


def _without_one_time(text: str) -> str:
    return _ONE_TIME.sub(HIDDEN, text)
