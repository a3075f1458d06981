"""Who did what: entries of the append-only audit log, and who is acting in this thread or task.

``AuditMiddleware`` remembers the web request; ``record`` takes the user from it where none is given.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponse

from ocpp_app.bulk import fit
from ocpp_app.models import AuditEntry, ChargePoint

_request: ContextVar[HttpRequest | None] = ContextVar("ocpp_audit_request", default=None)


class AuditMiddleware:
    """Django middleware: what happens within a request is attributed to its user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self._get_response(request)
        finally:
            _request.reset(token)


def entry(
    action: str,
    *,
    actor: Any = None,
    subject: str = "",
    detail: str = "",
    charge_point: ChargePoint | None = None,
    organisation_id: int | None = None,
) -> AuditEntry:
    """An entry, not saved yet. ``actor``: a user, a text, or None for the user of the present web request."""
    request = _request.get()
    if actor is None and request is not None:
        user = getattr(request, "user", None)
        actor = user if user is not None and user.is_authenticated else None
    made = AuditEntry(
        action=action,
        actor=actor if isinstance(actor, str) else "" if actor is None else actor.get_username(),
        actor_id="" if actor is None or isinstance(actor, str) else str(actor.pk),
        remote_address="" if request is None else str(request.META.get("REMOTE_ADDR", "")),
        subject=subject,
        detail=detail,
        charge_point=charge_point,
        organisation_id=organisation_id if charge_point is None else charge_point.organisation_id,
    )
    fit(made)
    return made


def record(action: str, **about: Any) -> None:
    """Write an entry, in the present transaction; as ``entry``."""
    entry(action, **about).save(force_insert=True)
