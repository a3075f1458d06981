"""One command to many charge points: those that a filter of the list shows."""

import uuid
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ocpp_app.access import visible
from ocpp_app.api.schema import sendable
from ocpp_app.command_access import OPERATE, Right, right_of_action, right_to_send
from ocpp_app.command_batches import cancel_batch, issue_command_to_many
from ocpp_app.console.charge_points import chosen
from ocpp_app.console.command import nonce_of
from ocpp_app.console.commands import KEPT, profiles
from ocpp_app.console.lists import page_of
from ocpp_app.console.typed_form import TypedForm
from ocpp_app.console.visitor import ROLES, ConsoleRequest, find, require, show, signed_in
from ocpp_app.errors import OCPPAppError
from ocpp_app.models import ALIVE_STATES, ChargePoint, Command, CommandBatch, Scope
from ocpp_app.translation import tell
from ocppj.documentation import text_of
from ocppj.errors import PayloadError

MOST = 10_000
"""More at once is a program's work, over the API."""


@signed_in
def batches(request: ConsoleRequest) -> HttpResponse:
    """What was sent to many, the newest first."""
    rows = CommandBatch.objects.select_related("organisation", "requested_by").order_by("-created_at")
    page = page_of(visible(rows, request.access), request, 30)
    return show(request, "batches.html", {"page": page, "may_send": _may_send(request), "section": "batches"})


@signed_in
def choose(request: ConsoleRequest) -> HttpResponse:
    """Which command goes to those of the filter."""
    _require_to_send(request)
    context = {
        "profiles": profiles(lambda right: request.access.may_somewhere(*right)),
        "count": _targets(request)[:MOST].count(),
        "section": "batches",
    }
    return show(request, "batch_choose.html", context)


@signed_in
def send(request: ConsoleRequest, action: str) -> HttpResponseBase:
    """The form of the command; sent, its progress at each charge point."""
    right = right_of_action(action)
    _require_to_send(request, right)
    spec = next((spec for spec in sendable() if spec.action == action), None)
    if spec is None:
        raise Http404
    is_sent = request.method == "POST"
    given = {str(name): str(value) for name, value in (request.POST if is_sent else request.GET).items()}
    form = TypedForm(spec.request, given, {})
    if is_sent:
        batch = _send(request, form)
        if batch is not None:
            return redirect("console:batch", batch.pk)
    context = {
        "form": form,
        "spec": spec,
        "text": text_of(spec.request),
        "kept": KEPT,
        "keep": given.get("keep", ""),
        "nonce": given.get("nonce") or uuid.uuid4(),
        "count": _targets(request, right)[:MOST].count(),
        "section": "batches",
    }
    return show(request, "batch_form.html", context)


def _send(request: Any, form: TypedForm) -> CommandBatch | None:
    message = form.message()
    if message is None:
        return None
    keep = request.POST.get("keep", "")
    expires_at = timezone.now() + timedelta(seconds=int(keep)) if keep in dict(KEPT) and keep else None
    selection = {name: value for name, value in request.GET.items() if name in ("q", "state", "site") and value}
    right = right_to_send(message)
    _require_to_send(request, right)
    targets = list(_targets(request, right)[:MOST])
    if len({target.organisation_id for target in targets}) > 1 and not request.access.everywhere:
        form.error = _("These charge points are of several organisations: filter by site, and send one batch for each.")
        return None
    try:
        return issue_command_to_many(
            targets,
            message,
            expires_at=expires_at,
            idempotency_key=nonce_of(request),
            requested_by=request.user,
            source="console",
            selection=selection,
        )
    except PayloadError as error:
        form.refuse(error.field, error.description)
    except (OCPPAppError, ValidationError) as error:
        form.error = tell(error)
    return None


@signed_in
def batch(request: ConsoleRequest, pk: Any) -> HttpResponse:
    """How many have answered what, and each of them."""
    row = find(request, CommandBatch.objects.select_related("organisation", "requested_by"), pk=pk)
    commands = Command.objects.filter(batch=row)
    outcomes = list(
        commands.order_by().values_list("state", "status").annotate(Count("pk")).order_by("state", "status")
    )
    alive = sum(count for state, _status, count in outcomes if state in ALIVE_STATES)
    page = page_of(commands.select_related("charge_point").order_by("charge_point__identity"), request)
    context = {
        "row": row,
        "outcomes": outcomes,
        "alive": alive,
        "done": row.size - alive,
        "page": page,
        "section": "batches",
    }
    return show(request, "batch.html", context)


@require_POST
@signed_in
def cancel(request: ConsoleRequest, pk: Any) -> HttpResponseBase:
    """Take back what has not been written to a socket."""
    row = find(request, CommandBatch.objects.all(), pk=pk)
    require(request, Scope.OPERATE, row, "ocpp_app.change_command")
    cancel_batch(row, reason=f"cancelled by {request.user.get_username()}")
    return redirect("console:batch", pk)


def _may_send(request: Any, right: Right = OPERATE) -> bool:
    return bool(request.access.may_somewhere(*right))


def _require_to_send(request: Any, right: Right = OPERATE) -> None:
    if not _may_send(request, right):
        role = ROLES[right.scope]
        raise PermissionDenied(_("To send this one needs the role “%(role)s” in an organisation.") % {"role": role})


def _targets(request: Any, right: Right = OPERATE) -> QuerySet[ChargePoint]:
    """The charge points of the filter, as far as the visitor may send them what asks for this."""
    rows = chosen(request)
    if request.access.everywhere:
        return rows
    mine = [key for key in request.access.scopes if request.access.may(*right, key)]
    return rows.filter(organisation__in=mine)
