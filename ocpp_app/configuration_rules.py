"""The rules of configuration keys: what an answer says of them, what templates want, and what is still to be sent.

Everything here works on rows of charge points that the batch has locked. ``ocpp_app.configuration`` is for people.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from ocpp_app import inquiries, secrecy
from ocpp_app.batch import Batch
from ocpp_app.inquiries import Known
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import (
    ALIVE_STATES,
    ChargePoint,
    CommandState,
    ConfigurationKey,
    ConfigurationTemplate,
    Inquiry,
    TemplateValue,
    WantedState,
    name_of,
)
from ocppj.messages import Request
from ocppj.v16 import (
    Action,
    ChangeConfigurationRequest,
    ConfigurationStatus,
    GetConfigurationResponse,
    ResetRequest,
    ResetType,
)

SOURCE = "configuration"
MOST_KEYS = 500
"""A charge point that goes on inventing keys does not fill a table."""
ATTEMPTS = 3
"""So often a wanted value is sent to a charge point that does not answer."""
NO_ANSWER = "It did not answer."
STATES = {
    ConfigurationStatus.Accepted: WantedState.IN_FORCE,
    ConfigurationStatus.RebootRequired: WantedState.REBOOT_REQUIRED,
    ConfigurationStatus.Rejected: WantedState.REJECTED,
    ConfigurationStatus.NotSupported: WantedState.NOT_SUPPORTED,
}
REFUSED = (WantedState.REJECTED, WantedState.NOT_SUPPORTED)

Rows = dict[int, dict[str, ConfigurationKey]]


def is_same(one: str | None, other: str | None) -> bool:
    """Whether two values mean the same: ``60`` and ``60.0``, ``True`` and ``true``, ``a, b`` and ``A,B``."""
    if one is None or other is None:
        return one is other
    return [_item(item) for item in one.split(",")] == [_item(item) for item in other.split(",")]


def _item(text: str) -> str | float:
    text = text.strip().casefold()
    try:
        return float(text)
    except ValueError:
        return text


def enter(batch: Batch, row: ConfigurationKey, state: WantedState, detail: str = "", **values: Any) -> None:
    """Give a wanted value this state; since when stays, where it had it already."""
    if row.state != state:
        values["state_since"] = batch.now
    batch.change(row, state=state, detail=detail[:255], **values)


# -- what charge points answer -------------------------------------------------------------------------------


def note_answers(batch: Batch, answers: list[OCPPRequest]) -> None:
    """Answers to GetConfiguration and ChangeConfiguration, in their order (a function for ``Batch.at_end``)."""
    charge_points = {request.charge_point.pk: request.charge_point for request in answers}
    rows = load(charge_points)
    known_inquiries = Inquiry.objects.in_bulk(list(charge_points))
    for request in answers:
        inquiry = known_inquiries.get(request.charge_point.pk)
        if inquiry is None:
            inquiry = known_inquiries[request.charge_point.pk] = Inquiry(charge_point=request.charge_point)
            batch.add(inquiry)
        if request.action == Action.ChangeConfiguration:
            _note_change(batch, request, rows)
        elif isinstance(request.message, GetConfigurationResponse):
            _note_reading(batch, request, request.message, rows, inquiry)
        else:
            _note_refusal(batch, request, inquiry)
        batch.change(inquiry, due_at=batch.now + inquiries.SOON)


def load(charge_point_ids: Iterable[int]) -> Rows:
    """The rows of these charge points, by name."""
    rows: Rows = defaultdict(dict)
    for row in ConfigurationKey.objects.filter(charge_point__in=list(charge_point_ids)).select_related("template"):
        rows[row.charge_point_id][row.name] = row
    return rows


def _row(batch: Batch, charge_point: ChargePoint, key: str, rows: Rows) -> ConfigurationKey | None:
    """The row of a key, made where it is new; None for one that is none, or one too many."""
    own, name = rows[charge_point.pk], name_of(key)
    row = own.get(name)
    if row is None and name and len(own) < MOST_KEYS:
        row = own[name] = ConfigurationKey(charge_point=charge_point, key=key.strip(), name=name)
        batch.add(row)
    return row


def _note_reading(
    batch: Batch, request: OCPPRequest, message: GetConfigurationResponse, rows: Rows, inquiry: Inquiry
) -> None:
    charge_point, at = request.charge_point, request.received_at
    for told in message.configuration_key or ():
        row = _row(batch, charge_point, told.key, rows)
        if row is not None:
            value = None if secrecy.is_secret(told.key) else told.value
            batch.change(row, key=told.key.strip(), is_readonly=told.readonly)
            note_value(batch, row, value, at, has_booted=inquiries.has_restarted_since(charge_point, row.next_since))
    for key in message.unknown_key or ():
        row = _row(batch, charge_point, key, rows)
        if row is not None:
            batch.change(row, is_known=False, value=None, read_at=at, next_value=None)
    asked = _asked(request)
    if asked or message.configuration_key:
        batch.change(inquiry, unanswered=0)
    if not asked:
        _note_all_read(batch, request, message, rows, inquiry)
    elif inquiry.refuses_all and _are_standard_keys_read(rows[charge_point.pk], inquiry):
        _complete(batch, charge_point, inquiry, rows, at)


def _note_all_read(
    batch: Batch, request: OCPPRequest, message: GetConfigurationResponse, rows: Rows, inquiry: Inquiry
) -> None:
    """An answer to the question for everything; an empty one refuses it."""
    charge_point, at = request.charge_point, request.received_at
    if not message.configuration_key:
        batch.change(inquiry, refuses_all=True, unanswered=0)
        return
    batch.change(inquiry, refuses_all=False)
    told = {name_of(item.key) for item in message.configuration_key}
    for name, row in rows[charge_point.pk].items():
        if name not in told and row.wanted is None and row.is_known:  # what it does not tell any more
            batch.change(row, is_known=None, value=None, is_readonly=None, read_at=at)
    _complete(batch, charge_point, inquiry, rows, at)


def _complete(batch: Batch, charge_point: ChargePoint, inquiry: Inquiry, rows: Rows, at: datetime) -> None:
    if inquiry.configuration_read_at is not None and inquiry.firmware_version != charge_point.firmware_version:
        for row in rows[charge_point.pk].values():  # another firmware may take what this one refused
            if row.state in REFUSED:
                enter(batch, row, WantedState.TO_SEND, attempts=0)
    batch.change(inquiry, configuration_read_at=at, firmware_version=charge_point.firmware_version)


def _are_standard_keys_read(rows: Mapping[str, ConfigurationKey], inquiry: Inquiry) -> bool:
    since = inquiry.configuration_read_at
    read = [rows.get(name_of(key)) for key in inquiries.STANDARD_KEYS]
    return all(row and row.read_at and (since is None or row.read_at > since) for row in read)


def _note_refusal(batch: Batch, request: OCPPRequest, inquiry: Inquiry) -> None:
    """A CALLERROR to GetConfiguration: next time by name; where that was refused as well, not before long."""
    if not _asked(request):
        batch.change(inquiry, refuses_all=True, unanswered=0)
        return
    firmware = request.charge_point.firmware_version
    batch.change(inquiry, configuration_read_at=request.received_at, firmware_version=firmware)


def _asked(request: OCPPRequest) -> list[str]:
    payload = request.command.payload if request.command is not None else {}
    return list(payload.get("key") or ())


def note_value(
    batch: Batch, row: ConfigurationKey, value: str | None, at: datetime, *, has_booted: bool = False
) -> None:
    """The charge point says that it has this value; ``has_booted``: since it took the one that needs a restart."""
    changed: dict[str, Any] = {"is_known": True, "read_at": at}
    if row.is_known is not True or row.value != value:
        changed.update(value=value, value_since=at)
    if row.next_value is not None and (has_booted or is_same(value, row.next_value)):
        changed.update(next_value=None, next_since=None)
    batch.change(row, **changed)
    if row.wanted is None or secrecy.is_secret(row.key):
        return
    if is_same(value, row.wanted):
        enter(batch, row, WantedState.IN_FORCE, confirmed_at=at, attempts=0)
    elif row.state == WantedState.IN_FORCE or (row.state == WantedState.REBOOT_REQUIRED and row.next_value is None):
        enter(batch, row, WantedState.DRIFTED, _drift(row))


def _drift(row: ConfigurationKey) -> str:
    if row.confirmed_at is None:
        return "It was taken, and the charge point has another value."
    return "Somebody has changed it at the charge point."


def _note_change(batch: Batch, request: OCPPRequest, rows: Rows) -> None:
    command = request.command
    assert command is not None
    key, value = str(command.payload.get("key", "")), str(command.payload.get("value", ""))
    row = _row(batch, request.charge_point, key, rows)
    if row is None:
        return
    status = str(getattr(request.message, "status", "")) or f"CALLERROR {command.error_code}"
    is_secret = secrecy.is_secret(key)
    if status == ConfigurationStatus.Accepted:
        shown = None if is_secret else value
        batch.change(row, is_known=True, value=shown, value_since=request.received_at, next_value=None, next_since=None)
    elif status == ConfigurationStatus.RebootRequired:
        shown = "" if is_secret else value
        batch.change(row, is_known=True, next_value=shown, next_since=request.received_at)
    elif status == ConfigurationStatus.NotSupported and row.read_at is None:
        batch.change(row, is_known=False)
    if row.wanted is not None:
        _note_wanted(batch, row, status, is_ours=row.command_id == command.pk, value=value)


def _note_wanted(batch: Batch, row: ConfigurationKey, status: str, *, is_ours: bool, value: str) -> None:
    """How far the wanted value has come with this answer; somebody else's command may bring it, or take it away."""
    state = STATES.get(ConfigurationStatus(status)) if status in set(ConfigurationStatus) else None
    is_wanted = is_same(value, row.wanted)
    was_taken = state in (WantedState.IN_FORCE, WantedState.REBOOT_REQUIRED)
    if state is not None and (is_ours or was_taken) and is_wanted:
        detail = "" if was_taken else f"It answered {status}."
        enter(batch, row, state, detail, attempts=0, confirmed_at=None)
    elif is_ours and is_wanted:
        enter(batch, row, WantedState.FAILED, f"It answered {status}.")
    elif was_taken:
        enter(batch, row, WantedState.DRIFTED, "A command has set another value.", confirmed_at=None)


# -- what is wanted ------------------------------------------------------------------------------------------


def settle(batch: Batch, charge_points: Iterable[ChargePoint], rows: Rows) -> None:
    """Make the rows say what templates want of these charge points; their own wishes stay."""
    found = list(charge_points)
    templates = _templates({row.organisation_id for row in found if row.organisation_id is not None})
    groups = _groups(found) if templates else {}
    for charge_point in found:
        wanted: dict[str, TemplateValue] = {}
        for template in templates:
            if _fits(template, charge_point, groups.get(charge_point.pk, frozenset())):
                wanted.update({value.name: value for value in template.values.all()})
        _settle_one(batch, charge_point, wanted, rows)


def _templates(organisation_ids: set[int]) -> list[ConfigurationTemplate]:
    """The enabled templates, the weakest first."""
    enabled = ConfigurationTemplate.objects.filter(organisation__in=organisation_ids, is_enabled=True)
    return list(enabled.order_by("position", "pk").prefetch_related("values", "groups"))


def _groups(charge_points: list[ChargePoint]) -> dict[int, frozenset[int]]:
    of: dict[int, set[int]] = defaultdict(set)
    through = ChargePoint.groups.through.objects.filter(chargepoint__in=charge_points)
    for charge_point_id, group_id in through.values_list("chargepoint", "chargepointgroup"):
        of[charge_point_id].add(group_id)
    return {key: frozenset(value) for key, value in of.items()}


def _fits(template: ConfigurationTemplate, charge_point: ChargePoint, groups: frozenset[int]) -> bool:
    wanted_groups = {group.pk for group in template.groups.all()}
    patterns = (
        (template.vendor, charge_point.vendor),
        (template.model, charge_point.model),
        (template.firmware, charge_point.firmware_version),
    )
    return (
        template.organisation_id == charge_point.organisation_id
        and (not wanted_groups or bool(wanted_groups & groups))
        and all(not pattern or fnmatchcase(said.lower(), pattern.lower()) for pattern, said in patterns)
    )


def _settle_one(batch: Batch, charge_point: ChargePoint, wanted: Mapping[str, TemplateValue], rows: Rows) -> None:
    for name, value in wanted.items():
        row = rows[charge_point.pk].get(name) or _row(batch, charge_point, value.key, rows)
        if row is not None and not row.is_own:
            want(batch, row, value.value, template=value.template)
    for name, row in rows[charge_point.pk].items():
        if row.wanted is not None and not row.is_own and name not in wanted:
            want(batch, row, None)


def want(
    batch: Batch,
    row: ConfigurationKey,
    value: str | None,
    *,
    template: ConfigurationTemplate | None = None,
    is_own: bool = False,
) -> None:
    """Want this value of the row's charge point; None: nothing any more, what it has stays."""
    owner = {"template": template, "is_own": is_own}
    if value is None:
        if row.wanted is not None:
            gone = {"state": "", "state_since": None, "detail": "", "command_id": None, "confirmed_at": None}
            batch.change(row, wanted=None, attempts=0, **owner, **gone)
        return
    if row.wanted == value:
        if (row.template_id, row.is_own) != (template.pk if template else None, is_own):
            batch.change(row, **owner)
        return
    batch.change(row, wanted=value, **owner)
    has_it = row.is_known and row.next_value is None and is_same(row.value, value)
    state = WantedState.IN_FORCE if has_it else WantedState.TO_SEND
    confirmed_at = row.read_at if has_it else None
    batch.change(
        row, state=state, state_since=batch.now, detail="", attempts=0, command_id=None, confirmed_at=confirmed_at
    )


# -- what is to be sent --------------------------------------------------------------------------------------


def plan(batch: Batch, known: Known, outcomes: Mapping[uuid.UUID, str]) -> list[tuple[Request, ConfigurationKey]]:
    """ChangeConfiguration for each wanted value that is not there yet. ``outcomes``: the states of its commands."""
    planned: list[tuple[Request, ConfigurationKey]] = []
    for row in known.keys.values():
        if row.wanted is None:
            continue
        if row.state == WantedState.SENT:
            _note_outcome(batch, row, outcomes.get(row.command_id) if row.command_id else None)
        if _is_to_be_sent(row, known):
            enter(batch, row, WantedState.SENT, attempts=row.attempts + 1)
            planned.append((ChangeConfigurationRequest(key=row.key, value=row.wanted), row))
    return planned


def _note_outcome(batch: Batch, row: ConfigurationKey, outcome: str | None) -> None:
    """The command that was to bring the value has ended, and its answer never came to ``note_answers``."""
    if outcome in ALIVE_STATES:
        return
    if outcome in (CommandState.ANSWERED, CommandState.ERROR):
        enter(batch, row, WantedState.FAILED, "Its answer could not be handled.")
    elif row.attempts >= ATTEMPTS:
        enter(batch, row, WantedState.FAILED, NO_ANSWER)
    else:
        enter(batch, row, WantedState.TO_SEND)


def _is_to_be_sent(row: ConfigurationKey, known: Known) -> bool:
    match row.state:
        case WantedState.TO_SEND:
            return True
        case WantedState.DRIFTED:  # what was there and has been changed; what never was would go on for ever
            return row.confirmed_at is not None
        case WantedState.FAILED:  # another connection, another chance
            since = row.state_since
            return row.detail == NO_ANSWER and since is not None and since < known.session.connected_at
    return False


def plan_reset(batch: Batch, known: Known, *, is_charging: bool) -> list[Request]:
    """A soft Reset, once, where a template asks for it and nothing is charging."""
    waiting = [row for row in known.keys.values() if row.state == WantedState.REBOOT_REQUIRED]
    wanted = [row for row in waiting if row.template is not None and row.template.resets and row.next_since]
    asked_at = known.inquiry.reset_at
    newest = max((row.next_since for row in wanted if row.next_since), default=None)
    if newest is None or is_charging or (asked_at is not None and asked_at >= newest):
        return []
    batch.change(known.inquiry, reset_at=batch.now)
    return [ResetRequest(type=ResetType.Soft)]
