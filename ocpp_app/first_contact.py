"""Looks after charge points that are due (``Inquiry``): asks for what is missing, brings what is wanted.

Housekeeping calls ``review``; the commands that it makes are queued and leave like any other. After an outage thousands
come back at once: they are looked at a few at a time, and one of which all is known is sent nothing.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from ocpp_app import availability_rules, configuration_rules, inquiries, outbound
from ocpp_app.batch import Batch
from ocpp_app.database import is_no_rows_fault
from ocpp_app.dispatch import commit_each_if_need_be
from ocpp_app.events import outbox
from ocpp_app.inquiries import Known
from ocpp_app.models import (
    ALIVE_STATES,
    ChargePoint,
    Command,
    ConfigurationKey,
    ConfigurationTemplate,
    Connector,
    ConnectorAvailability,
    Inquiry,
    Session,
    Transaction,
    WantedState,
)
from ocpp_app.set_aside import aside
from ocppj.messages import Request

logger = logging.getLogger(__name__)

Planned = tuple[str, Request, ConfigurationKey | ConnectorAvailability | None]
"""A source, a message, and the row of what it is to bring."""

SOURCE = "first contact"
SOURCES = (SOURCE, configuration_rules.SOURCE, availability_rules.SOURCE)
AT_ONCE = 20
"""Charge points in one database transaction: the worker that does it has frames to answer."""
LOOKED_AT_AT_ONCE = 1_000
"""Charge points that are locked in one transaction to be looked at soon."""
BUSY = timedelta(seconds=15)
"""When to look again at a charge point that has not answered yet."""
CHARGING = timedelta(minutes=1)
"""When to look again at one that waits for the end of a transaction to be restarted."""

AFTER_FAILURE = timedelta(minutes=10)
"""When to look again at one that could not be looked after: until then it keeps nobody else waiting."""


def review() -> bool:
    """Look after some of those that are due; returns whether to go on at once. Once there are commands to be sent, the
    others wait for the next time, a second or two later."""
    _settle_templates()
    identities = _due(timezone.now())
    if not identities:
        return False
    counts, failed = commit_each_if_need_be(_review_some, identities)
    if failed:
        bad = Inquiry.objects.filter(charge_point__identity__in=failed)
        bad.update(due_at=timezone.now() + AFTER_FAILURE)
    return len(identities) == AT_ONCE and not any(counts)


def _due(now: datetime) -> list[str]:
    due = _overdue(now).order_by("due_at")
    return list(due.values_list("charge_point__identity", flat=True)[:AT_ONCE])


def occasions(now: Any) -> tuple[QuerySet[Any], ...]:
    """Without any of these there is nothing to be done."""
    return _overdue(now), _unsettled_templates()


def _overdue(now: Any) -> QuerySet[Inquiry]:
    return Inquiry.objects.filter(due_at__lte=now)


def _unsettled_templates() -> QuerySet[ConfigurationTemplate]:
    return ConfigurationTemplate.objects.filter(is_settled=False)


def _settle_templates() -> None:
    """All charge points of an organisation whose templates have changed are looked at, connected or not."""
    task, left_alone = "templates", set(aside.of("templates"))
    for template in _unsettled_templates():
        if template.pk in left_alone:
            continue
        try:
            _settle_template(template)
        except Exception as error:  # whatever is wrong with this one, or with a charge point that it is about
            if isinstance(error, DatabaseError) and is_no_rows_fault(error):
                raise
            logger.exception("The template %s cannot be settled, and is left alone for a while.", template)
            aside.add(task, [template.pk])


def _settle_template(template: ConfigurationTemplate) -> None:
    look_at_all_of(template.organisation_id)  # before: a process that dies here leaves it to the next one
    with transaction.atomic():
        is_settled = ConfigurationTemplate.objects.filter(pk=template.pk, is_settled=False).update(is_settled=True)
    if is_settled:
        look_at_all_of(template.organisation_id)  # after: the template may have been changed in between


def look_at_all_of(organisation_id: int | None) -> None:
    """Look soon at every charge point of an organisation."""
    ids = list(ChargePoint.objects.filter(organisation=organisation_id).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), LOOKED_AT_AT_ONCE):
        some = ids[start : start + LOOKED_AT_AT_ONCE]
        with transaction.atomic():
            outbox.lock(some)
            inquiries.look_at(ChargePoint.objects.filter(pk__in=some).only("pk"), timezone.now())


def _review_some(batch: Batch, identities: Iterable[str]) -> int:
    batch.lock_charge_points(identities)
    charge_points = {row.pk: row for row in batch.charge_points.values()}
    due = _overdue(batch.now).filter(charge_point__in=charge_points)
    found = {row.charge_point_id: row for row in due}
    charge_points = {key: row for key, row in charge_points.items() if key in found}
    rows = configuration_rules.load(charge_points)
    configuration_rules.settle(batch, charge_points.values(), rows)
    facts = _Facts(batch, charge_points, rows)
    return sum(_review_one(batch, charge_points[key], inquiry, facts) for key, inquiry in found.items())


class _Facts:
    """What is read once for all charge points of a batch."""

    def __init__(self, batch: Batch, charge_points: dict[int, ChargePoint], rows: configuration_rules.Rows) -> None:
        online = [row for row in charge_points.values() if row.session_id is not None]
        self.rows = rows
        self.sessions = {row.pk: row for row in _with_previous_end(row.session_id for row in online)}
        self.connectors: dict[int, list[Connector]] = defaultdict(list)
        for connector in Connector.objects.filter(charge_point__in=online):
            self.connectors[connector.charge_point_id].append(connector)
        self.availabilities: dict[int, list[ConnectorAvailability]] = defaultdict(list)
        wanted = ConnectorAvailability.objects.filter(connector__charge_point__in=online).select_related("connector")
        for row in wanted.order_by("connector__number"):
            self.availabilities[row.connector.charge_point_id].append(row)
        alive = Command.objects.filter(charge_point__in=online, state__in=ALIVE_STATES, source__in=SOURCES)
        self.busy = set(alive.values_list("charge_point", flat=True))
        charging = Transaction.objects.filter(charge_point__in=online, is_active=True)
        self.charging = set(charging.values_list("charge_point", flat=True))
        self.outcomes = self._outcomes()

    def _outcomes(self) -> dict[uuid.UUID, str]:
        """The states of the commands that were to bring what is wanted."""
        keys = [row for by_name in self.rows.values() for row in by_name.values() if row.state == WantedState.SENT]
        availabilities = [row for some in self.availabilities.values() for row in some]
        ids = [row.command_id for row in keys if row.command_id]
        ids += [row.command_id for row in availabilities if row.command_id]
        return dict(Command.objects.filter(pk__in=ids).values_list("pk", "state")) if ids else {}


def _with_previous_end(session_ids: Iterable[uuid.UUID | None]) -> list[Any]:
    """These sessions, each with the time at which the one before it ended."""
    earlier = Session.objects.filter(charge_point=OuterRef("charge_point"), connected_at__lt=OuterRef("connected_at"))
    newest = earlier.order_by("-connected_at").values("ended_at")[:1]
    return list(Session.objects.filter(pk__in=list(session_ids)).annotate(previous_end=Subquery(newest)))


def _review_one(batch: Batch, charge_point: ChargePoint, inquiry: Inquiry, facts: _Facts) -> int:
    key = charge_point.pk
    session = facts.sessions.get(charge_point.session_id) if charge_point.session_id else None
    if session is None or not outbound.may_be_sent(charge_point, ""):
        batch.change(inquiry, due_at=None)
        return 0
    if key in facts.busy:
        batch.change(inquiry, due_at=batch.now + BUSY)
        return 0
    rows, connectors = facts.rows[key].values(), facts.connectors[key]
    known = Known(charge_point, inquiry, session, rows, connectors, session.previous_end)
    planned = _plan(batch, known, facts)
    for number, (source, message, row) in enumerate(planned):
        # A microsecond apart: they leave in this order.
        now = batch.now + timedelta(microseconds=number)
        command = outbound.new_command(charge_point, message, now=now, source=source)
        batch.add(command)
        if row is not None:
            batch.change(row, command_id=command.pk)
    batch.change(inquiry, due_at=_next_look(batch, known, facts, is_busy=bool(planned)))
    return len(planned)


def _plan(batch: Batch, known: Known, facts: _Facts) -> list[Planned]:
    """What to send now: questions first; what is wanted as soon as it is clear what the charge point has already."""
    key, was_unanswered = known.charge_point.pk, known.inquiry.unanswered
    planned: list[Planned] = [(SOURCE, message, None) for message in inquiries.plan(batch, known)]
    if known.inquiry.unanswered > was_unanswered == 0:
        return planned
    values = configuration_rules.plan(batch, known, facts.outcomes)
    planned += [(configuration_rules.SOURCE, *each) for each in values]
    availabilities = availability_rules.plan(batch, facts.availabilities[key], facts.outcomes)
    planned += [(availability_rules.SOURCE, *each) for each in availabilities]
    if not planned:
        resets = configuration_rules.plan_reset(batch, known, is_charging=key in facts.charging)
        planned += [(configuration_rules.SOURCE, message, None) for message in resets]
    return planned


def _next_look(batch: Batch, known: Known, facts: _Facts, *, is_busy: bool) -> datetime:
    """Answers bring the next look forward; this is for those that do not come, and for what changes unheard."""
    inquiry = known.inquiry
    if is_busy:
        return batch.now + timedelta(seconds=outbound.timeout_of(known.charge_point)) + BUSY
    waits_for_reset = any(
        row.state == WantedState.REBOOT_REQUIRED and row.template is not None and row.template.resets
        for row in known.keys.values()
    )
    if waits_for_reset and known.charge_point.pk in facts.charging:
        return batch.now + CHARGING
    if inquiry.unanswered and inquiry.configuration_asked_at is not None:
        return max(inquiry.configuration_asked_at + inquiries.patience(inquiry.unanswered), batch.now + BUSY)
    read_at = inquiry.configuration_read_at or batch.now
    return max(read_at + inquiries.FRESH_FOR, batch.now + BUSY)
