"""Who did what: entries of the append-only audit log, and who is acting in this thread or task.

``AuditMiddleware`` remembers the web request; ``record`` takes the user from it where none is given.
"""

import json
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import PurePath
from typing import Any

from django.http import HttpRequest, HttpResponse

from ocpp_app import secrecy
from ocpp_app.bulk import fit
from ocpp_app.client_address import client_address
from ocpp_app.models import ApiToken, AuditEntry, ChargePoint, Command, CommandBatch

NOBODYS_DEEDS = ("runcsms", "consume_rpc_queue")
"""What these commands do, nobody has typed."""

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
    """An entry, not saved yet. ``actor``: a user, an API token, a text, or None for whoever acts here."""
    request = _request.get()
    here = _acting(request)
    by_token = isinstance(here, ApiToken) and here.user == actor  # the log says which of somebody's tokens it was
    name, key = _named(here if actor is None or by_token else actor)
    made = AuditEntry(
        action=action,
        actor=name,
        actor_id=key,
        remote_address="" if request is None else client_address(request),
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


def name_of_visitor(request: HttpRequest) -> str:
    """Who has sent a request, as the log has it; empty for somebody who has not signed in."""
    return _named(_acting(request))[0]


def record_command(command: Command, what: str = "sent") -> None:
    """Write down that somebody has issued a command, or taken it back; nothing for those that the system makes."""
    _record_sent(command, what, command.charge_point.identity, "", charge_point=command.charge_point)


def record_batch(batch: CommandBatch, identities: Sequence[str], what: str = "sent") -> None:
    """The same for one command to many charge points."""
    subject = f"{batch.size} charge points"
    _record_sent(batch, what, subject, " ".join(identities), organisation_id=batch.organisation_id)


def _record_sent(sent: Command | CommandBatch, what: str, subject: str, more: str, **of: Any) -> None:
    issuer = (sent.requested_by or (f"token {sent.api_token}" if sent.api_token else None)) if what == "sent" else None
    payload = secrecy.without_secrets(sent.action, sent.payload)
    detail = f"{json.dumps(payload, ensure_ascii=False)} {more}".rstrip()
    made = entry(f"{sent.action} {what}", actor=issuer, subject=subject, detail=detail, **of)
    if made.actor:
        made.save(force_insert=True)


def _acting(request: HttpRequest | None) -> Any:
    """Who has sent the present request: a token in whose own name it is, or a user; else who has typed a command."""
    if request is None:
        return _command_line()
    token, user = getattr(request, "auth", None), getattr(request, "user", None)
    if isinstance(token, ApiToken):
        return token
    return user if user is not None and user.is_authenticated else ""


def _named(actor: Any) -> tuple[str, str]:
    """The actor's name and key, as the log keeps them."""
    if isinstance(actor, str):
        return actor, ""
    if isinstance(actor, ApiToken):
        user = actor.user
        return f"token {actor.name}" + (f" of {user.get_username()}" if user else ""), f"token:{actor.pk}"
    return actor.get_username(), str(actor.pk)


def _command_line() -> str:
    program, *words = sys.argv[:2]
    is_command = PurePath(program).name == "manage.py" and words and words[0] not in NOBODYS_DEEDS
    return f"manage.py {words[0]}" if is_command else ""
