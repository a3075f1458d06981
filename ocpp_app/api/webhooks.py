"""The webhooks in the OpenAPI description: every event with the shape of its data, from the catalogue."""

from typing import Any

import msgspec

from ocpp_app.events.catalogue import TYPES, EventType

HEADERS = {
    "webhook-id": "The event's id; the same in every attempt.",
    "webhook-timestamp": "When this attempt was signed, in seconds since 1970.",
    "webhook-signature": "`v1,` and base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`; a space between several.",
    "webhook-attempt": "1, 2, 3 …",
}


def add_webhooks(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Every event as a webhook that we call (OpenAPI 3.1)."""
    data = sorted({kind.data for kind in TYPES.values()}, key=lambda one: one.__name__)
    _references, components = msgspec.json.schema_components(data, ref_template="#/components/schemas/{name}Data")
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas.update({f"{name}Data": _tidy(schema) for name, schema in components.items()})
    for kind in TYPES.values():
        schemas[_name(kind)] = _body(kind)
    result["webhooks"] = {kind.name: {"post": _operation(kind)} for kind in TYPES.values()}
    return result


def _name(kind: EventType) -> str:
    """``TransactionStartedEvent``."""
    return "".join(word.capitalize() for word in kind.name.replace("_", ".").split(".")) + "Event"


def _body(kind: EventType) -> dict[str, Any]:
    return {
        "type": "object",
        "description": kind.doc,
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "The same in every attempt."},
            "type": {"type": "string", "const": kind.name},
            "version": {"type": "integer", "const": kind.version},
            "at": {"type": "string", "format": "date-time"},
            "sequence": {"type": "integer", "description": "Rises with every event of the charge point."},
            "organisation": {"type": "string", "description": "Its slug."},
            "charge_point": {"type": "string", "description": "Its identity."},
            "data": {"$ref": f"#/components/schemas/{kind.data.__name__}Data"},
        },
        "required": ["id", "type", "version", "at", "sequence", "organisation", "charge_point", "data"],
    }


def _operation(kind: EventType) -> dict[str, Any]:
    return {
        "operationId": f"on{_name(kind)}",
        "description": kind.doc,
        "tags": ["webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{_name(kind)}"}}},
        },
        "responses": {"2XX": {"description": "Taken. Anything else, and it comes again."}},
    }


def _tidy(schema: Any) -> Any:
    """Docstrings on one line."""
    if isinstance(schema, dict) and "description" in schema:
        return {**schema, "description": " ".join(schema["description"].split())}
    return schema
