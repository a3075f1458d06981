"""The final reconciliation: what the charge points know, against the database and the log of messages.

What was answered is there, and once; what was sent without an answer is there at most once; and since every charge
point delivers what it has kept before it is asked, every transaction and every meter value is there exactly once.
"""

import json
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from simulator.ledger import LedgerEvent
from tests.e2e.accounts import canonical
from tests.e2e.databases import Database, as_json, as_utc
from tests.faults.truth import Event, Truth

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be; ``at``: when, on the clock of ``time.monotonic``, where that is known."""

    kind: str
    text: str
    at: float | None = None


ENDS = ("answered", "error", "timed_out", "lost", "expired", "cancelled")
KINDS = ("lost", "doubled", "wrong")
UNANSWERED = ("timed_out", "lost")
ANSWERED_WITHIN_S = 15.0
"""A CALL has its answer, or its connection an end: the 10 s within which all is as before, and some for one's turn."""
ARRIVES_WITHIN_S = 5.0
"""After so long on an open connection a frame has come to the gateway."""
HELD_S = 60.0
"""Longer than a gateway holds an answer that it cannot pass on yet."""
UNWRITTEN = ("queued", "expired", "cancelled")


@dataclass
class Findings:
    """What does not fit together; nothing of it may be."""

    calls: int = 0
    transactions: int = 0
    meter_values: int = 0
    commands: int = 0
    kept_with_our_time: int = 0
    """Meter values whose charge point's clock was not believed (our own had been set back): a time of ours is kept."""
    found: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.found

    def count(self, kind: str) -> int:
        return sum(one.kind == kind for one in self.found)

    def described(self) -> str:
        lines = []
        for kind in KINDS:
            found = [one.text for one in self.found if one.kind == kind]
            lines += [f"  {kind}: {text}" for text in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"  {kind}: and {len(found) - SHOWN} more")
        return "\n".join(lines)


class Reconciliation:
    """Of one charge point after the other, then of all commands."""

    def __init__(
        self,
        database: Database,
        *,
        doubled: set[str],
        lost: set[str],
        gateway_ends: Sequence[float] = (),
        outages: Sequence[tuple[float, float]] = (),
    ) -> None:
        """``doubled``: whose frames have reached two gateways, both of which log them. ``lost``: whose sockets have
        been half open, so that they had to time out. ``gateway_ends``: when gateways went, with what they held.
        ``outages``: from when until when something was away without which nobody can be answered."""
        self.findings = Findings()
        self._database = database
        self._doubled = doubled
        self._lost = lost
        self._gateway_ends = gateway_ends
        self._outages = sorted(outages)
        self._received: dict[str, list[str]] = defaultdict(list)
        """By charge point: the unique ids of the CALLs that have come to it."""
        self._answers: dict[str, str] = {}
        """By unique id: what it has answered."""
        self._arrived: dict[str, float] = {}
        """By unique id: when the answer was sent that has come to a gateway."""

    def charge_point(self, truth: Truth) -> None:
        """Compare one charge point."""
        rows = {name: by_identity.get(truth.identity, []) for name, by_identity in self._rows.items()}
        self._check_connections(truth)
        self._check_log(truth, rows["messages"])
        self._check_transactions(truth, rows["transactions"])
        self._check_meter_values(truth, rows["meter_values"])
        self._check_present_state(truth, rows["connectors"])
        self._note_commands(truth)

    @cached_property
    def _rows(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """What is in the database of all charge points that keep the truth, by table and identity."""
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for name, query in QUERIES.items():
            by_identity = found[name] = defaultdict(list)
            for row in self._database.rows(query):
                by_identity[row["identity"]].append(row)
        return found

    # -- the wire --------------------------------------------------------------------------------------------

    def _check_connections(self, truth: Truth) -> None:
        """Every CALL was answered once, or its connection ended; nothing came that nobody had asked for."""
        name = truth.identity
        waiting: dict[str, Event] = {}
        had_timed_out: set[str] = set()
        for event in truth.events:
            entry, at = event.entry, event.at
            match entry.event:
                case LedgerEvent.call_sent:
                    self.findings.calls += 1
                    waiting[entry.unique_id] = event
                case LedgerEvent.answer_received | LedgerEvent.call_error_received:
                    call = waiting.pop(entry.unique_id, None)
                    if call is not None:
                        self._check_wait(truth.identity, call, at)
                    elif entry.unique_id not in had_timed_out:
                        self._wrong(f"{name}: a second answer to {entry.unique_id} on one connection", at)
                    if entry.event is LedgerEvent.call_error_received:
                        self._wrong(f"{name}: CALLERROR for {entry.action}: {entry.detail}", at)
                case LedgerEvent.disconnected:
                    for call in waiting.values():
                        self._check_wait(truth.identity, call, at)
                    waiting.clear()
                case LedgerEvent.timed_out:
                    had_timed_out.add(entry.unique_id)
                    if waiting.pop(entry.unique_id, None) is not None and name not in self._lost:
                        self._wrong(f"{name}: no answer to {entry.action}, and no end of the connection", at)
                case LedgerEvent.unexpected_received:
                    self._wrong(f"{name}: unexpected: {entry.detail} {entry.frame[:120]!r}", at)
                case LedgerEvent.discarded:
                    self._lose(f"{name}: gave up a {entry.action}, {entry.detail}", at)
                case LedgerEvent.broken:
                    self._wrong(f"{name}: the simulator itself: {entry.detail}", at)
        if truth.undelivered:
            self._lose(f"{name}: {truth.undelivered} messages could not be delivered in the end")

    def _check_wait(self, identity: str, call: Event, until: float) -> None:
        """However a CALL ended, what it waited for was no longer than an outage and what may follow it."""
        hidden, seen_until = 0.0, call.at
        for began_at, gone_at in self._outages:
            overlap = min(gone_at, until) - max(began_at, seen_until)
            if overlap > 0:
                hidden, seen_until = hidden + overlap, min(gone_at, until)
        waited = until - call.at - hidden
        if waited > ANSWERED_WITHIN_S and identity not in self._lost:
            text = f"{identity}: {call.entry.action} waited {waited:.0f} s, not counting outages"
            self._wrong(text, call.at)

    def _check_log(self, truth: Truth, rows: list[dict[str, Any]]) -> None:
        logged = Counter((row["unique_id"], row["raw"]) for row in rows)
        answers = {(row["unique_id"], row["raw"], row["answer"]) for row in rows}
        sent: dict[str, Event] = {}
        for event in truth.events:
            entry = event.entry
            if entry.event is LedgerEvent.call_sent:
                sent[entry.unique_id] = event
            elif entry.event is LedgerEvent.answer_received and entry.unique_id in sent:
                call = sent[entry.unique_id].entry
                key = (entry.unique_id, call.frame.decode())
                if key not in logged:
                    self._lose(f"{truth.identity}: {call.action} was answered and is not in the log", event.at)
                elif (*key, entry.frame.decode()) not in answers:
                    self._wrong(f"{truth.identity}: {call.action} was answered otherwise than the log says", event.at)
        allowed = 2 if truth.identity in self._doubled else 1
        for (unique_id, _raw), count in logged.items():
            if count > allowed and unique_id in sent:
                event = sent[unique_id]
                text = f"{truth.identity}: {event.entry.action} {unique_id} is {count} times in the log"
                self._double(text, event.at)

    # -- transactions ----------------------------------------------------------------------------------------

    def _check_transactions(self, truth: Truth, rows: list[dict[str, Any]]) -> None:
        name = truth.identity
        stored = defaultdict(list)
        for row in rows:
            stored[row["meter_start_wh"], row["id_tag"]].append(row)
        self.findings.transactions += len(truth.transactions)
        starts = [event.at for event in truth.events if event.entry.event is LedgerEvent.transaction_started]
        for one, at in zip(truth.transactions, starts, strict=True):
            found = stored[one.meter_start_wh, one.id_tag]
            if not found:
                self._lose(f"{name}: the transaction of {one.started_at} ({one.transaction_id})", at)
                continue
            row = next((each for each in found if each["id"] == one.transaction_id), found[0])
            found.remove(row)
            expected = {
                "id": one.transaction_id,
                "start_timestamp": _milliseconds(one.started_at),
                "meter_stop_wh": one.meter_stop_wh,
                "stop_timestamp": _milliseconds(one.stopped_at),
                "energy_wh": None if one.meter_stop_wh is None else one.meter_stop_wh - one.meter_start_wh,
                "is_active": one.meter_stop_wh is None,
                "closed_by": "" if one.meter_stop_wh is None else "charge_point",
            }
            for column, value in expected.items():
                is_time = column.endswith("timestamp")
                there = _milliseconds(row[column]) if is_time else row[column]
                if column == "energy_wh" and value is None:
                    continue  # of one that goes on it is what the meter values say
                if (bool(there) if column == "is_active" else there) != value:
                    self._wrong(f"{name}: transaction {row['id']}: {column} is {there} instead of {value}", at)
        left = [row for some in stored.values() for row in some]
        for row in left:
            self._double(f"{name}: transaction {row['id']} of {row['start_timestamp']}")

    def _check_meter_values(self, truth: Truth, rows: list[dict[str, Any]]) -> None:
        name = truth.identity
        kept = Counter(
            (row["transaction_id"], canonical(as_json(row["sampled_values"])), as_utc(row["timestamp"])) for row in rows
        )
        expected: dict[tuple[int | None, str, datetime], float] = {}
        for event in truth.events:
            entry = event.entry
            if entry.event is LedgerEvent.call_sent and entry.action in ("MeterValues", "StopTransaction"):
                request = json.loads(entry.frame)[3]
                for value in request.get("meterValue") or request.get("transactionData") or ():
                    key = (request.get("transactionId"), canonical(value["sampledValue"]), as_utc(value["timestamp"]))
                    expected.setdefault(key, event.at)
        self.findings.meter_values += len(expected)
        with_our_time = Counter(key[:2] for key in kept if key not in expected)
        for key, at in expected.items():
            if key in kept:
                continue
            if with_our_time[key[:2]]:
                with_our_time[key[:2]] -= 1
                self.findings.kept_with_our_time += 1
            else:
                self._lose(f"{name}: a meter value of {key[2]}, transaction {key[0]}", at)
        for key, count in kept.items():
            if count > 1:
                self._double(
                    f"{name}: a meter value of {key[2]}, transaction {key[0]}: {count} times", expected.get(key)
                )
        for (of, _values), count in with_our_time.items():
            if count:
                self._double(f"{name}: {count} meter values of transaction {of} that it has not sent")

    def _check_present_state(self, truth: Truth, rows: list[dict[str, Any]]) -> None:
        shown = {row["number"]: row["status"] for row in rows}
        for connector_id, status in truth.statuses.items():
            if shown.get(connector_id) != status:
                self._wrong(
                    f"{truth.identity}: connector {connector_id} is {status}, shown as {shown.get(connector_id)}"
                )
        if not rows or rows[0]["session_id"] is None:
            self._wrong(f"{truth.identity}: is online, shown as offline")

    # -- commands --------------------------------------------------------------------------------------------

    def _note_commands(self, truth: Truth) -> None:
        """What came to a charge point and what it has answered, and which answers have come to its gateway: those on a
        connection that stood for long enough afterwards."""
        answered: dict[str, float] = {}
        for event in truth.events:
            unique_id = event.entry.unique_id
            match event.entry.event:
                case LedgerEvent.call_received:
                    self._received[truth.identity].append(unique_id)
                case LedgerEvent.answer_sent | LedgerEvent.call_error_sent:
                    self._answers[unique_id] = event.entry.frame.decode()
                    answered[unique_id] = event.at
                case LedgerEvent.disconnected:
                    self._note_arrived(truth.identity, answered, event.at)
                    answered = {}
        self._note_arrived(truth.identity, answered, math.inf)

    def _note_arrived(self, identity: str, answered: dict[str, float], ended_at: float) -> None:
        if identity not in self._lost:
            self._arrived |= {one: at for one, at in answered.items() if ended_at - at > ARRIVES_WITHIN_S}

    def _was_heard(self, unique_id: str) -> bool:
        """Whether the answer came to a gateway that lived on to pass it on."""
        at = self._arrived.get(unique_id)
        return at is not None and not any(at - HELD_S < ended_at < at + HELD_S for ended_at in self._gateway_ends)

    def commands(self, outcomes: Iterable[tuple[str, int, Any]]) -> None:
        """Every command has come to an end that is true; ``outcomes``: what whoever waited was told."""
        rows = self._database.rows(COMMANDS)
        by_id = {str(uuid.UUID(str(row["id"]))): row for row in rows}
        times = Counter(unique_id for received in self._received.values() for unique_id in received)
        self.findings.commands = len(by_id)
        for unique_id, row in by_id.items():
            state, what = row["state"], f"command {row['action']} to {row['identity']}"
            if row["identity"] not in self._received:
                continue  # a stuck one's
            if times[unique_id] > 1:
                self._double(f"{what}: sent {times[unique_id]} times")
            if state not in ENDS:
                self._wrong(f"{what}: is still {state}")
            elif state == "answered":
                told = json.loads(self._answers.get(unique_id, "[3,0,null]"))[2]
                if told != as_json(row["response"]):
                    self._wrong(f"{what}: answered with {row['response']}, the charge point said {told}")
            elif state in UNANSWERED and self._was_heard(unique_id):
                self._wrong(f"{what}: {state}, and the charge point's answer had come", self._arrived[unique_id])
            elif state in UNWRITTEN and times[unique_id]:
                self._wrong(f"{what}: {state}, and received all the same")
        for unique_id in times.keys() - by_id.keys():
            self._wrong(f"CALL {unique_id} was received, and there is no such command")
        for identity, status, body in outcomes:
            if status == 200 and by_id.get(str(body.get("id", "")), {}).get("state") != "answered":
                self._wrong(f"{identity}: whoever waited was told of an answer, the command says otherwise: {body}")

    def shown_wrongly(self, seconds: float, allowed_s: float) -> None:
        """A charge point was shown online or offline wrongly for too long."""
        self._wrong(f"a charge point was shown online or offline wrongly for {seconds:.0f} s, not {allowed_s:.0f} s")

    def _lose(self, text: str, at: float | None = None) -> None:
        self.findings.found.append(Finding("lost", text, at))

    def _double(self, text: str, at: float | None = None) -> None:
        self.findings.found.append(Finding("doubled", text, at))

    def _wrong(self, text: str, at: float | None = None) -> None:
        self.findings.found.append(Finding("wrong", text, at))


def _milliseconds(moment: datetime | str | None) -> datetime | None:
    """As it goes over the wire."""
    if moment is None:
        return None
    utc = as_utc(moment)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


_OF: Callable[[str], str] = (
    "JOIN ocpp_app_chargepoint c ON c.id = {}.charge_point_id WHERE c.identity LIKE 'FLEET%%'".format
)
QUERIES = {
    "messages": (
        f"SELECT c.identity, m.unique_id, m.raw, m.answer FROM ocpp_app_message m {_OF('m')} AND m.direction = 'in'"
    ),
    "transactions": f"SELECT c.identity, t.* FROM ocpp_app_transaction t {_OF('t')} ORDER BY t.id",
    "meter_values": (
        "SELECT c.identity, v.transaction_id, v.timestamp, v.sampled_values FROM ocpp_app_metervalue v "
        f"JOIN ocpp_app_connector n ON n.id = v.connector_id {_OF('n')}"
    ),
    "connectors": f"SELECT c.identity, n.number, n.status, c.session_id FROM ocpp_app_connector n {_OF('n')}",
}
COMMANDS = "SELECT m.*, c.identity FROM ocpp_app_command m JOIN ocpp_app_chargepoint c ON c.id = m.charge_point_id"
