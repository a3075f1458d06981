"""The lines that show a simulation to a person: pure, from the state of the charge points to text of a given width."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ocppj.v16 import ChargePointStatus
from simulator.client import SWITCHED_OFF, SimulatedChargePoint
from simulator.connector import Connector
from simulator.fleet import Simulator, Summary
from simulator.ledger import Entry, LedgerEvent

_RESET = "\x1b[0m"
_COLORS: Mapping[str, str] = {
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "blue": "\x1b[34m",
    "cyan": "\x1b[36m",
    "dim": "\x1b[2m",
    "bold": "\x1b[1m",
}
_STATUS_COLORS: Mapping[str, str] = {
    ChargePointStatus.Available: "dim",
    ChargePointStatus.Preparing: "cyan",
    ChargePointStatus.Charging: "green",
    ChargePointStatus.SuspendedEV: "yellow",
    ChargePointStatus.SuspendedEVSE: "yellow",
    ChargePointStatus.Finishing: "cyan",
    ChargePointStatus.Reserved: "blue",
    ChargePointStatus.Unavailable: "yellow",
    ChargePointStatus.Faulted: "red",
}
_ALARMS: Mapping[LedgerEvent, str] = {
    LedgerEvent.call_error_received: "CALLERROR",
    LedgerEvent.timed_out: "no answer in time",
    LedgerEvent.discarded: "discarded",
    LedgerEvent.unexpected_received: "unexpected frame",
    LedgerEvent.call_error_sent: "answered with a CALLERROR",
    LedgerEvent.disconnected: "disconnected",
    LedgerEvent.connection_failed: "cannot connect",
    LedgerEvent.transfer_failed: "cannot transfer",
    LedgerEvent.broken: "broken by an error of the simulator's own",
}
_NEWS: Mapping[LedgerEvent, str] = {
    LedgerEvent.connected: "connected",
    LedgerEvent.transaction_started: "transaction started",
    LedgerEvent.transaction_stopped: "transaction stopped",
    LedgerEvent.call_received: "the central system calls",
}
BAR_WIDTH = 10
LONGEST_NAME = 20


@dataclass(frozen=True, slots=True)
class Painter:
    """Colors, or none."""

    is_colored: bool

    def paint(self, text: str, color: str) -> str:
        """The text in a color of ``_COLORS``; unchanged for ``""``."""
        return f"{_COLORS[color]}{text}{_RESET}" if self.is_colored and color and text else text


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide the columns are; made for 80 columns, the last one takes what is left."""

    width: int
    name: int
    connector: int

    @property
    def last(self) -> int:
        """The width of the last column."""
        return max(0, self.width - self.name - self.connector - 48)

    def title(self) -> str:
        """The line above the columns."""
        name = f"{'identity':<{self.name}}{'':<{self.connector}}"
        return cut(f"{name}{'status':<16}{'kW':>5}{'kWh':>8}  {'battery':<17}last CALL", self.width)


def layout_for(simulator: Simulator, width: int) -> Layout:
    """A layout in which the longest identity and the connectors find room."""
    longest = max((len(charge_point.identity) for charge_point in simulator.charge_points), default=0)
    has_many = any(len(charge_point.charge_point.connectors) > 1 for charge_point in simulator.charge_points)
    return Layout(width, max(len("identity"), min(longest, LONGEST_NAME)) + 2, 3 if has_many else 0)


def table(simulator: Simulator, url: str, elapsed_s: float, painter: Painter, width: int, height: int) -> list[str]:
    """All lines: each connector's where the height allows it, else how many are in each status."""
    heading = painter.paint(cut(_heading(simulator, url, elapsed_s), width), "bold")
    count = sum(len(charge_point.charge_point.connectors) for charge_point in simulator.charge_points)
    layout = layout_for(simulator, width)
    if count + 3 > height or not layout.last:
        return [heading, _statuses(simulator, painter, width), footer(simulator.summary(), painter, width)]
    title = painter.paint(layout.title(), "dim")
    rows = list(_rows(simulator, painter, layout))  # before the sum, so that it adds up
    return [heading, title, *rows, footer(simulator.summary(), painter, width)]


def row(charge_point: SimulatedChargePoint, connector: Connector, painter: Painter, layout: Layout) -> str:
    """One connector's line."""
    is_first = connector.connector_id == 1
    name = cut(charge_point.identity, layout.name - 2) if is_first else ""
    number = f"{connector.connector_id:<{layout.connector}}" if layout.connector else ""
    status, color = _status(charge_point, connector)
    power, energy = "", ""
    if connector.transaction is not None:
        energy_wh = connector.meter.energy_wh - connector.transaction.meter_start_wh
        power, energy = f"{connector.meter.power_w / 1000:.1f}", f"{energy_wh / 1000:.2f}"
    last = cut(_last_call(charge_point), layout.last) if is_first else ""
    cells = (
        f"{name:<{layout.name}}{number}",
        painter.paint(f"{cut(status, 15):<16}", color),
        f"{power:>5}{energy:>8}  ",
        _battery(connector, painter),
        painter.paint(last, "dim"),
    )
    return "".join(cells).rstrip()


def footer(summary: Summary, painter: Painter, width: int) -> str:
    """The line below the table: all together, what is least needed last."""
    failed = sum(
        summary.counts[event]
        for event in (LedgerEvent.call_error_received, LedgerEvent.timed_out, LedgerEvent.discarded)
    )
    parts = [
        f"{summary.online}/{summary.charge_points} online",
        f"{summary.charging} charging",
        f"{summary.power_w / 1000:.1f} kW",
        f"{summary.energy_wh / 1000:.1f} kWh",
        f"{summary.counts[LedgerEvent.answer_received]} answered",
    ]
    if summary.waiting_messages:
        parts.append(f"{summary.waiting_messages} kept")
    parts += [f"p99 {milliseconds(summary.p99_s)}", f"p50 {milliseconds(summary.median_s)}"]
    warning = f" · {failed} failed" if failed else ""
    while len(" · ".join(parts)) + len(warning) > width and len(parts) > 1:
        parts.pop()
    return " · ".join(parts) + painter.paint(warning, "red")


def last_words(summary: Summary) -> list[str]:
    """What became of everything, when it is over."""
    counts = summary.counts
    latencies = f"p50 {milliseconds(summary.median_s)}, p99 {milliseconds(summary.p99_s)}"
    return [
        f"{summary.transactions} transactions, {summary.energy_wh / 1000:.2f} kWh;"
        f" {counts[LedgerEvent.call_sent]} CALLs, {counts[LedgerEvent.answer_received]} answered ({latencies})",
        f"{counts[LedgerEvent.call_error_received]} CALLERRORs, {counts[LedgerEvent.timed_out]} timed out,"
        f" {counts[LedgerEvent.unanswered]} cut off, {counts[LedgerEvent.discarded]} discarded,"
        f" {summary.waiting_messages} not delivered",
    ]


def alarm(entry: Entry) -> str:
    """Words about something that should not be missed; empty for what may be."""
    word = _ALARMS.get(entry.event)
    if word is None or entry.detail == SWITCHED_OFF:
        return ""
    return _words(word, entry)


def news(entry: Entry) -> str:
    """Words about what is worth a line in a log, besides alarms; empty for the rest."""
    if entry.event in _NEWS:
        return _words(_NEWS[entry.event], entry)
    if entry.event is LedgerEvent.call_sent and entry.action == "StatusNotification":
        return entry.detail
    if entry.event is LedgerEvent.answer_received and entry.action in ("BootNotification", "Authorize"):
        return f"{entry.action}: {entry.detail}"
    return ""


def cut(text: str, width: int) -> str:
    """The text, with an ellipsis where it would be too wide."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def milliseconds(seconds: float) -> str:
    """A latency for a person."""
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "<1 ms"


def _words(word: str, entry: Entry) -> str:
    rest = " ".join(part for part in (entry.action, entry.detail) if part)
    return f"{word}: {rest}" if rest else word


def _heading(simulator: Simulator, url: str, elapsed_s: float) -> str:
    count = len(simulator.charge_points)
    speed = "" if simulator.speed == 1 else f" · speed ×{simulator.speed:g}"
    return f"{count} charge point{'' if count == 1 else 's'} → {url}{speed} · {timedelta(seconds=int(elapsed_s))}"


def _rows(simulator: Simulator, painter: Painter, layout: Layout) -> Iterator[str]:
    for charge_point in simulator.charge_points:
        for connector in charge_point.look().connectors:
            yield row(charge_point, connector, painter, layout)


def _statuses(simulator: Simulator, painter: Painter, width: int) -> str:
    counts: Counter[tuple[str, str]] = Counter()
    for charge_point in simulator.charge_points:
        for connector in charge_point.charge_point.connectors:
            status, color = _status(charge_point, connector)
            counts[status.partition(" ")[0], color] += 1
    parts, used = [], 0
    for (status, color), count in counts.most_common():
        used += len(f"{count} {status} · ")
        if used > width:
            break
        parts.append(f"{count} {painter.paint(status, color)}")
    return " · ".join(parts)


def _status(charge_point: SimulatedChargePoint, connector: Connector) -> tuple[str, str]:
    state = charge_point.charge_point
    if not charge_point.is_connected:
        kept = len(state.outbox)
        return (f"offline ({kept})" if kept else "offline"), "red"
    if not state.registration.is_accepted:
        return ("booting" if state.registration.status is None else str(state.registration.status)), "yellow"
    return str(connector.status), _STATUS_COLORS[connector.status]


def _battery(connector: Connector, painter: Painter) -> str:
    car = connector.meter.car
    if car is None:
        return " " * (BAR_WIDTH + 7)
    full = round(car.soc / 100 * BAR_WIDTH)
    color = "green" if connector.status == ChargePointStatus.Charging else ""
    return f"{painter.paint('█' * full, color)}{painter.paint('░' * (BAR_WIDTH - full), 'dim')} {car.soc:3.0f}%  "


def _last_call(charge_point: SimulatedChargePoint) -> str:
    entry = charge_point.ledger.last_call
    if entry is None:
        return ""
    arrow = "→" if entry.event is LedgerEvent.call_sent else "←"
    return f"{arrow} {entry.action}"
