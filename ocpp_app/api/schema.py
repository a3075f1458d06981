"""The OpenAPI 3.1 description: names that generated clients like, errors everywhere, every OCPP message typed."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from ocppj.documentation import json_schema
from ocppj.protocol import ActionSpec, Sender
from ocppj.v16 import PROTOCOL

VERBS = {"list": "list", "retrieve": "get", "create": "create", "partial_update": "update", "destroy": "delete"}
COMPONENT = "Ocpp16{name}"
"""What OCPP's own types are called in the schema: a later version's stand beside them."""


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "ocpp_app.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API token, such as `ocpp_Xk3…`."}


class ApiSchema(AutoSchema):
    """The description of a ``Resource``."""

    view: Any

    def get_operation_id(self) -> str:
        view, name = self.view, str(self.view.action)
        if given := view.operation or view.operations.get(name):
            return str(given)
        first, *rest = name.split("_")
        noun: str = view.plural if name == "list" else view.noun
        if name in VERBS:
            return VERBS[name] + noun
        return first + noun + "".join(word.capitalize() for word in rest)  # renewChargePointPassword

    def get_request_serializer(self) -> Any:
        if body := self.view.bodies.get(self.view.action):
            return body
        return self.view.takes if self._is_special else super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        if self.view.gives is not None:
            return self.view.gives
        return self.view.answers.get(self.view.action) or super().get_response_serializers()

    def get_examples(self) -> list[OpenApiExample]:
        body = self.view.examples.get(self.view.action)
        return [] if body is None else [OpenApiExample("Such as", body, request_only=True)]

    @property
    def _is_special(self) -> bool:
        return str(self.view.action) not in VERBS or self.view.takes is not None

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def get_override_parameters(self) -> list[Any]:
        found: list[Any] = [self.view.query] if self.view.query else []
        if self.view.action == "list":
            found.extend([self.view.filters] if self.view.filters().fields else [])
            if self.view.search_fields:
                text = "Words that all have to occur, in any of the fields that one looks for."
                found.append(OpenApiParameter("search", OpenApiTypes.STR, description=text))
            if self.view.orderings:
                names = [sign + name for name in self.view.orderings for sign in ("", "-")]
                text = "The order; with `-` downwards."
                found.append(OpenApiParameter("ordering", OpenApiTypes.STR, enum=names, description=text))
        for name, text in self.view.headers_taken.get(self.view.action, {}).items():
            found.append(OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=text))
        if self.view.etag_fields and self.method in ("PATCH", "DELETE"):
            text = "The ETag that was read: 412 when somebody else has changed it since."
            found.append(OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description=text))
        if self.view.etag_fields and self.method != "DELETE" and self.view.action != "list":
            text = "Of its present state, for If-Match."
            found.append(
                OpenApiParameter("ETag", OpenApiTypes.STR, OpenApiParameter.HEADER, response=True, description=text)
            )
        return found


# -- what is added to the schema as a whole --------------------------------------------------------------------


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "The kind of problem; compare with this."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "errors": {
            "type": "array",
            "description": "With 400: each field that is wrong.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer to the field, such as /payload/type."},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
                "required": ["pointer", "detail", "code"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance"],
    "examples": [
        {
            "type": "urn:django-ocpp-csms:problem:not-found",
            "title": "Not Found",
            "status": 404,
            "detail": "Not found.",
            "instance": "/api/v1/charge-points/CP999/",
        }
    ],
}


def add_problems(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Every operation may answer with a problem."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components.setdefault("responses", {})["Problem"] = {
        "description": "What went wrong",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    return result


ORDERS = {"CommandOrderRequest": "{action}Command", "CommandBatchOrderRequest": "{action}CommandToMany"}
"""Components that hold a message of whatever action, and how each action's own is called."""


def add_ocpp_messages(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """What a command may hold, action by action, from the typed messages."""
    schemas = result["components"]["schemas"]
    for component, naming in ORDERS.items():
        if component in schemas:
            _add_orders(schemas, component, naming)
    return result


def _add_orders(schemas: dict[str, Any], component: str, naming: str) -> None:
    common = schemas[component]
    options = {name: schema for name, schema in common["properties"].items() if name not in ("action", "payload")}
    also_required = [name for name in common.get("required", ()) if name in options]
    mapping = {}
    for spec in sendable():
        for structure in (spec.request, spec.response):
            schemas.update(_components(structure))
        name = naming.format(action=spec.action)
        mapping[str(spec.action)] = f"#/components/schemas/{name}"
        schemas[name] = {
            "type": "object",
            "description": f"{spec.action} ({spec.section}).",
            "properties": {
                "action": {"type": "string", "const": str(spec.action)},
                "payload": {"$ref": _reference(spec.request.__name__)},
                **options,
            },
            "required": ["action", *(["payload"] if _has_required(spec) else []), *also_required],
            "additionalProperties": False,
            "x-ocpp-response": {"$ref": _reference(spec.response.__name__)},
        }
    schemas[component] = {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "action", "mapping": mapping},
    }


def sendable() -> list[ActionSpec]:
    """The actions that a central system may send, by name."""
    specs = (spec for spec in PROTOCOL.actions.values() if spec.sender != Sender.charge_point)
    return sorted(specs, key=lambda spec: spec.action)


def _has_required(spec: ActionSpec) -> bool:
    schema = json_schema(spec.request)
    return bool(schema["$defs"][spec.request.__name__].get("required"))


def _components(structure: Any) -> dict[str, Any]:
    return {COMPONENT.format(name=name): _renamed(schema) for name, schema in json_schema(structure)["$defs"].items()}


def _renamed(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _reference(value.rsplit("/", 1)[1]) if key == "$ref" else _renamed(value)
            for key, value in schema.items()
        }
    return [_renamed(item) for item in schema] if isinstance(schema, list) else schema


def _reference(name: str) -> str:
    return f"#/components/schemas/{COMPONENT.format(name=name)}"
