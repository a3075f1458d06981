"""What must not be readable in the database: authorization keys on their way to a charge point, and its other secrets.

Security whitepaper A01.FR.08, A01.FR.09: only hashes are kept, and no log shows a key. Until its command has ended the
key is in the command's row, because it has to be sent; then its hash takes its place. Of other secrets
(``ocppj.secrets.names_secret``), and of what is secret in the address of a file, nothing is kept. Whoever shows a
command shows it as ``hidden`` and ``loggable_frame`` have it, also before it has ended.
"""

import json
import re
from typing import Any

import msgspec

from ocpp_app.credentials import ALGORITHM, hash_key
from ocpp_app.models import Command
from ocppj import frames
from ocppj.errors import ErrorCode, PayloadError
from ocppj.messages import Request
from ocppj.secrets import (
    LOCATIONS,
    REDACTED,
    map_texts,
    names_secret,
    without_addresses,
    without_keys,
    without_location,
)
from ocppj.v16 import Action, ChangeConfigurationRequest

AUTHORIZATION_KEY = "AuthorizationKey"
"""The configuration key with the charge point's password (OCPP-J 1.6 errata 3.10)."""


KEY_AS_ALLOWED = re.compile("[!-~]{16,40}")
"""At least 16 bytes (whitepaper A00.FR.205), at most 40 characters (OCPP-J 1.6 errata 3.10)."""


def is_authorization_key(key: str) -> bool:
    """Whether this configuration key is the password; keys are case-insensitive (OCPP 1.6 §7.28)."""
    return key.lower() == AUTHORIZATION_KEY.lower()


def check_new_key(message: Request) -> None:
    """Raise ``PayloadError`` for an authorization key that no charge point could use, or that could be guessed."""
    if not isinstance(message, ChangeConfigurationRequest) or not is_authorization_key(message.key):
        return
    if not KEY_AS_ALLOWED.fullmatch(message.value):
        raise PayloadError(
            ErrorCode.PropertyConstraintViolation,
            f"An {AUTHORIZATION_KEY} has 16 to 40 printable ASCII characters without spaces, such as 40 hexadecimal "
            f"digits; this one has {len(message.value)} characters.",
            field="value",
        )


def carries_key(command: Command) -> bool:
    """Whether the command brings a charge point a new authorization key."""
    return command.action == Action.ChangeConfiguration and is_authorization_key(str(command.payload.get("key", "")))


def is_secret(key: str) -> bool:
    """Whether the value of this configuration key must not be kept."""
    return names_secret(key)


LEAST_HIDDEN = 6
"""A shorter secret is not looked for in an answer: "on" stands in many words."""
HASHED = re.compile(rf"{ALGORITHM}\$[0-9a-f]{{16}}\$[0-9a-f]{{64}}")
"""What a command whose key is hidden has in the key's place."""


def carries_secret(command: Command) -> bool:
    """Whether the command brings a charge point a new authorization key or another secret."""
    return command.action == Action.ChangeConfiguration and is_secret(str(command.payload.get("key", "")))


def answer_without_secrets(command: Command, payload: Any) -> Any:
    """The payload of a charge point's answer as it may be kept; an answer to an address may repeat it."""
    kept = without_keys(payload)
    return error_without_secrets(command, kept) if command.action in LOCATIONS or carries_secret(command) else kept


def error_without_secrets(command: Command, told: Any) -> Any:
    """What a charge point's CALLERROR says, as it may be kept: it may repeat what it could not use."""
    return map_texts(without_addresses(told), lambda text: without_value(command, text))


def without_value(command: Command, told: str) -> str:
    """What a charge point answers to a secret, without that secret; as long as the command is alive, it has it."""
    value = str(command.payload.get("value", "")) if carries_secret(command) else ""
    for written in {value, json.dumps(value)[1:-1]} if len(value) >= LEAST_HIDDEN else ():
        told = told.replace(written, REDACTED)
    return told


def hash_of(command: Command) -> str:
    """The hash of the key that the command brings, as ``ChargePoint.authorization_key`` has it."""
    value = str(command.payload.get("value", ""))
    return value if HASHED.fullmatch(value) else hash_key(value)


def hidden(command: Command) -> dict[str, Any]:
    """The fields of the command that show a secret, as they are kept once it has ended; empty for almost every command.
    Of a new key that is the hash, which nobody is shown (``without_secrets``)."""
    shown = without_secrets(command.action, command.payload)
    if shown == command.payload:
        return {}
    kept = {**shown, "value": hash_of(command)} if carries_key(command) else shown
    return {"payload": kept, "frame": _frame(command, shown)}


def without_secrets(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A command's payload to be shown, and to be compared: the value of an authorization key or another secret is not
    even there as a hash."""
    if action == Action.ChangeConfiguration and is_secret(str(payload.get("key", ""))):
        return {**payload, "value": REDACTED}
    return without_location(action, payload)


def loggable_frame(command: Command) -> str:
    """The command's frame for the frame log."""
    return str(hidden(command).get("frame", command.frame or _frame(command, command.payload)))


def _frame(command: Command, payload: Any) -> str:
    raw = msgspec.Raw(msgspec.json.encode(payload))
    return frames.encode(frames.Call(str(command.pk), command.action, raw)).decode()
