"""The official JSON schemas of OCPP 1.6 and of the security whitepaper, as the PyPI package ``ocpp`` carries them.

``multipleOf: 0.1`` is meaningless in binary fractions, so schemas and data are read with ``Decimal``. ``format`` is
asserted.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema.validators
import msgspec
import ocpp

from ocppj.messages import Message, Response
from ocppj.v16 import PROTOCOL

FOLDER = Path(ocpp.__file__).parent / "v16" / "schemas"

MESSAGES: list[type[Message]] = [
    message for spec in PROTOCOL.actions.values() for message in (spec.request, spec.response)
]
"""All 78 message types."""


def sampled_value(properties: dict[str, Any], list_name: str) -> dict[str, Any]:
    return properties[list_name]["items"]["properties"]["sampledValue"]


def add_hertz(properties: dict[str, Any]) -> None:
    sampled_value(properties, "transactionData")["items"]["properties"]["unit"]["enum"].append("Hertz")


def require_a_sampled_value(properties: dict[str, Any]) -> None:
    sampled_value(properties, "transactionData")["minItems"] = 1


def require_a_period(*path: str) -> Callable[[dict[str, Any]], None]:
    def correct(properties: dict[str, Any]) -> None:
        for name in path:
            properties = properties[name]["properties"]
        properties["chargingSchedulePeriod"]["minItems"] = 1

    return correct


# Where the text of the specification and a schema disagree, the text and its errata decide.
CORRECTIONS: dict[str, list[Callable[[dict[str, Any]], None]]] = {
    "StopTransaction": [
        add_hertz,  # OCPP 1.6 errata 3.84: the unit of Frequency is Hertz; MeterValues.json has it
        require_a_sampled_value,  # OCPP 1.6 §7.33: sampledValue 1..*; MeterValues.json has it
    ],
    # OCPP 1.6 §7.13: chargingSchedulePeriod 1..*
    "SetChargingProfile": [require_a_period("csChargingProfiles", "chargingSchedule")],
    "RemoteStartTransaction": [require_a_period("chargingProfile", "chargingSchedule")],
    "GetCompositeScheduleResponse": [require_a_period("chargingSchedule")],
}

formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time")
def is_rfc3339(text: object) -> bool:
    """RFC 3339 §5.6, by means of the standard library's calendar and a pattern of its own."""
    if not isinstance(text, str):
        return True
    pattern = r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:)(\d\d)(?:\.\d+)?(?:[Zz]|[+-](\d\d:\d\d))"
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        return False
    second = "59" if match[3] == "60" else match[3]
    try:
        datetime.strptime(f"{match[1]} {match[2]}{second}", "%Y-%m-%d %H:%M:%S")
        datetime.strptime(match[4] or "00:00", "%H:%M")
    except ValueError:
        return False
    return True


@formats.checks("uri")
def is_uri(text: object) -> bool:
    """RFC 3986 §3: a scheme and a rest without delimiters of other languages; beyond ASCII as anyURI allows (RFC
    3987)."""
    return not isinstance(text, str) or re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*:[^\s<>\"{}|\\^`]*", text) is not None


def schema_name(message: type[Message]) -> str:
    return f"{message.action}Response" if issubclass(message, Response) else str(message.action)


@functools.cache
def schema_of(message: type[Message]) -> dict[str, Any]:
    """The corrected schema of ``message``, its ``$ref``s resolved."""
    name = schema_name(message)
    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8-sig"), parse_float=Decimal)
    for correct in CORRECTIONS.get(name, ()):
        correct(schema["properties"])
    return _resolve(schema, schema.get("definitions", {}))


@functools.cache
def validator_of(message: type[Message]) -> Any:
    schema = schema_of(message)
    return jsonschema.validators.validator_for(schema)(schema, format_checker=formats)


def violations(message: type[Message], payload: bytes) -> list[str]:
    """What the official schema has against ``payload``."""
    errors: Iterator[jsonschema.ValidationError] = validator_of(message).iter_errors(
        json.loads(payload, parse_float=Decimal)
    )
    return [f"{error.json_path}: {error.message}" for error in errors]


write = msgspec.json.Encoder(decimal_format="number").encode
"""JSON text of a payload with ``Decimal`` numbers."""


def _resolve(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _resolve(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
        return {key: _resolve(value, definitions) for key, value in schema.items() if key != "definitions"}
    return [_resolve(item, definitions) for item in schema] if isinstance(schema, list) else schema
