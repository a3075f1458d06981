"""What other projects may import: the tables of ``docs/python-api.md``, made from the code.

What stands here keeps its name and its parameters within a major version. A test compares the page with the code, so a
change of either shows.
"""

import enum
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.dispatch import Signal

ALL = ("*",)
"""Everything in the module's ``__all__``, or without one all that it defines."""

SECTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "Commands": {
        "ocpp_app.commands": ("issue_command", "aissue_command", "cancel_command"),
        "ocpp_app.command_batches": ("issue_command_to_many", "follow", "cancel_batch"),
        "ocpp_app.triggers": ("trigger", "atrigger"),
    },
    "What charge points are to have": {
        "ocpp_app.configuration": ("want", "reapply", "read_again", "set_availability"),
        "ocpp_app.local_lists": ("keep_local_list", "send_again", "compare"),
        "ocpp_app.charging_profiles": (
            "assign",
            "unassign",
            "send_profile",
            "clear_profiles",
            "for_remote_start",
            "get_composite_schedule",
        ),
        "ocpp_app.reservations": ("reserve", "cancel_reservation"),
        "ocpp_app.firmware": ("update_firmware",),
        "ocpp_app.firmware_files": ("describe",),
        "ocpp_app.campaigns": ("start_campaign", "pause_campaign", "resume_campaign", "cancel_campaign"),
        "ocpp_app.diagnostics": ("request_diagnostics",),
        "ocpp_app.certificate_store": ("install_certificate", "delete_certificate", "list_certificates"),
    },
    "Transactions, reports, retention": {
        "ocpp_app.back_office": ("close_transaction", "decide_energy"),
        "ocpp_app.reports": ("make", "as_csv", "Grouping", "Report", "Row"),
        "ocpp_app.retention": ("outlook", "run", "Outlook"),
    },
    "Middleware and what calls your code": {
        "ocpp_app.middleware": ALL,
        "ocpp_app.middleware.base": ("PlannedCommand",),
        "ocpp_app.signers": ("Signer", "DevelopmentCA"),
        "ocpp_app.signals": ALL,
    },
    "Errors": {"ocpp_app.errors": ALL, "ocppj.errors": ALL},
    "Models": {"ocpp_app.models": ALL},
    "For settings.py and urls.py": {
        "ocpp_app.api.spectacular": ("SPECTACULAR_SETTINGS",),
        "ocpp_app.api.urls": (),
        "ocpp_app.audit": ("AuditMiddleware",),
        "ocpp_app.console.urls": (),
        "ocpp_app.csp": ("ContentSecurityPolicyMiddleware",),
        "ocpp_app.logins": ("LoginMiddleware", "ThrottledLogins"),
        "ocpp_app.logs": ("FrameFilter", "JSONFormatter", "ReadableFormatter"),
        "ocpp_app.transfer.urls": (),
        "ocpp_app.urls": (),
    },
    "OCPP itself": {
        "ocppj.frames": ("MessageType", "Call", "CallResult", "CallError"),
        "ocppj.messages": ("Message", "Request", "Response", "encode", "decode"),
        "ocppj.v16": ALL,
    },
    "The simulator": {"simulator.client": ("SimulatedChargePoint",)},
}
FRAMEWORKS = ("builtins", "enum", "abc", "msgspec", "django")
"""Methods that come from there are not ours to promise."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A public name, and how it is used: its parameters, its members, or the names that a class gives."""

    module: str
    name: str
    usage: str


def lines() -> Iterator[str]:
    """The page's tables, line by line."""
    for title, modules in SECTIONS.items():
        yield from (f"## {title}", "")
        for module in modules:
            found = list(entries(module))
            yield from (f"### `{module}`", "")
            if not found:
                yield from ("For `include()`.", "")
                continue
            yield from ("| name | |", "|---|---|")
            for entry in found:
                yield f"| `{entry.name}` | {entry.usage} |"
            yield ""


def entries(module: str) -> Iterator[Entry]:
    """The public names of a module, by name."""
    code = importlib.import_module(module)
    for name in sorted(names(module)):
        yield Entry(module, name, usage(getattr(code, name)))


def names(module: str) -> list[str]:
    """What of a module is public."""
    listed = next(modules[module] for modules in SECTIONS.values() if module in modules)
    if listed != ALL:
        return list(listed)
    code = importlib.import_module(module)
    if hasattr(code, "__all__"):
        return list(code.__all__)
    return [name for name, value in vars(code).items() if not name.startswith("_") and _is_defined_in(value, module)]


def usage(value: Any) -> str:
    """How something is used, in one line of Markdown without descriptions."""
    if isinstance(value, Signal):
        return "signal"
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return _code(", ".join(value.__members__))
    if isinstance(value, type) and issubclass(value, Model):
        fields = [field.name for field in value._meta.get_fields() if field.concrete]
        return f"{_code(', '.join(fields))}{_methods(value)}"
    if isinstance(value, type):
        return f"{_code(_parameters(value))}{_methods(value)}"
    if callable(value):
        return _code(_parameters(getattr(value, "func", value)))
    return _code(type(value).__name__)


# -- inside ----------------------------------------------------------------------------------------------------


def _is_defined_in(value: Any, module: str) -> bool:
    return isinstance(value, Signal) or getattr(value, "__module__", None) == module


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _parameters(value: Any) -> str:
    """``(charge_point, message, *, wait=False)``: names, kinds and defaults; a type is no promise to a caller."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # a class of C without one
        return "(…)"
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_default(parameter.default))
        for parameter in signature.parameters.values()
        if not parameter.name.startswith("_")
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)).replace("|", "\\|")


class _Shown:
    """A default as it is written, whatever its ``repr`` says of addresses in memory."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _default(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return _Shown(str(value))
    is_plain = value is inspect.Parameter.empty or isinstance(value, bool | int | float | str | tuple | None)
    return value if is_plain else _Shown("…")


def _methods(value: type) -> str:
    """The public methods and properties of a class that are ours, inherited ones as well."""
    found = {
        name: member
        for base in reversed(value.__mro__)
        if base.__module__.split(".")[0] not in FRAMEWORKS
        for name, member in vars(base).items()
        if not name.startswith("_") and _is_method(member)
    }
    shown = [f"`{name}{_call(member)}`" for name, member in sorted(found.items())]
    return f"; {', '.join(shown)}" if shown else ""


def _is_method(member: Any) -> bool:
    return inspect.isfunction(member) or isinstance(member, classmethod | staticmethod | property)


def _call(member: Any) -> str:
    if isinstance(member, property):
        return ""
    function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    signature = _parameters(function)
    for first in ("self", "cls"):
        signature = signature.replace(f"({first}, ", "(").replace(f"({first})", "()")
    return signature
