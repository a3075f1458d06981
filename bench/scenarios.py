"""Which loads there are, which systems get them, and what is expected of the figures."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.grown import CHARGE_POINTS
from bench.runs import Measurement, Scenario

QUICK = ("closed-50", "paced-50")
"""What a run without a number of rounds does."""
ON_DEMAND = ("growth", "scale-out")
"""What only ``--scenario`` does: the first fills a large database, the second says little on few cores."""

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("closed-1", "one charge point, closed loop", "closed", 1, ("scaled", "runcsms", "bare", "echo")),
        Scenario(
            "closed-50", "50 charge points, closed loop", "closed", 50,
            ("scaled", "echo", "bare", "echo-lean", "runcsms", "scaled-middleware"),
        ),
        Scenario(
            "paced-50", "50 charge points, open loop, as many CALLs/s as RabbitMQ + PostgreSQL", "open", 50, ("bare",),
            share_of_maximum=1.0, rate_of="scaled",
        ),
        Scenario(
            "closed-200", "200 charge points, closed loop", "closed", 200, ("scaled", "echo", "bare", "echo-lean")
        ),
        Scenario(
            "open", "200 charge points, open loop at 25 % of the maximum", "open", 200, ("scaled", "runcsms"),
            share_of_maximum=0.25,
        ),
        Scenario("storm", "5 000 charge points connect, boot, report two statuses", "storm", 5000, ("scaled", "bare")),
        Scenario(
            "idle", "5 000 idle connections", "idle", 5000, ("scaled", "bare"), seconds=35.0, starts_anew=True,
        ),
        Scenario(
            "site", "20 charge points with MeterValues every 10 s", "site", 20, ("runcsms",), seconds=60.0,
            starts_anew=True,
        ),
        Scenario(
            "growth", "1 000 charge points, closed loop, empty and grown database", "closed", CHARGE_POINTS,
            ("scaled", "scaled-grown"), seconds=20.0, warm_up_s=15.0,
        ),
        Scenario(
            "scale-out", "200 charge points, closed loop, one and two gateways and workers", "closed", 200,
            ("scaled", "scaled-out"),
        ),
    )
}  # fmt: skip
"""All, in the order in which a round runs them. ``idle`` stays longer than a ping interval (30 s)."""

Round = Mapping[tuple[str, str], Measurement]
"""The measurements of one round by scenario and system."""


@dataclass(frozen=True)
class Figure:
    """One figure that somebody can rely on: what a round says of it, and what is expected."""

    label: str
    of_round: Callable[[Round], float | None]
    unit: str = ""
    floor: float | None = None
    goal: float | None = None
    less_is_better: bool = True

    def verdict(self, value: float) -> str:
        """``goal``, ``floor`` or ``below`` the floor; empty without expectations."""
        if self.floor is None or self.goal is None:
            return ""
        sign = 1 if self.less_is_better else -1
        if sign * value <= sign * self.goal:
            return "goal"
        return "floor" if sign * value <= sign * self.floor else "below"


def median_of(figure: Figure, rounds: Iterable[Round]) -> tuple[float, float, float] | None:
    """The median of a figure over the rounds with the lowest and the highest; None when no round tells it."""
    values = [value for one in rounds if (value := figure.of_round(one)) is not None]
    return (statistics.median(values), min(values), max(values)) if values else None


def _rate_ratio(scenario: str, system: str, limit: str) -> Callable[[Round], float | None]:
    def ratio(one: Round) -> float | None:
        ours, theirs = one.get((scenario, system)), one.get((scenario, limit))
        if ours is None or theirs is None or not theirs.result.calls_per_s:
            return None
        return ours.result.calls_per_s / theirs.result.calls_per_s

    return ratio


def _cpu_ratio(part: str) -> Callable[[Round], float | None]:
    """At the same number of CALLs/s: what an event loop costs for each falls to a third when it is always busy."""

    def ratio(one: Round) -> float | None:
        ours, bare = one.get(("closed-50", "scaled")), one.get(("paced-50", "bare"))
        if ours is None or bare is None:
            return None
        own, limit = ours.cpu_ms_per_call(part), bare.cpu_ms_per_call("server")
        return own / limit if own is not None and limit else None

    return ratio


def _latency_ratio(fsync_ms: float) -> Callable[[Round], float | None]:
    def ratio(one: Round) -> float | None:
        ours, echo = one.get(("closed-1", "scaled")), one.get(("closed-1", "echo"))
        if ours is None or echo is None or not echo.result.p50_ms:
            return None
        return (ours.result.p50_ms - fsync_ms) / echo.result.p50_ms

    return ratio


def _result(scenario: str, system: str, read: Callable[[Measurement], float]) -> Callable[[Round], float | None]:
    def figure(one: Round) -> float | None:
        found = one.get((scenario, system))
        return None if found is None else read(found)

    return figure


def _storm_ratio(one: Round) -> float | None:
    ours, bare = one.get(("storm", "scaled")), one.get(("storm", "bare"))
    return None if ours is None or bare is None else ours.result.seconds / bare.result.seconds


def _memory_ratio(one: Round) -> float | None:
    ours, bare = one.get(("idle", "scaled")), one.get(("idle", "bare"))
    if ours is None or bare is None:
        return None
    return ours.growth_per_connection("gateway") / max(1.0, bare.growth_per_connection("server"))


def _core_percent(measurement: Measurement) -> float:
    return measurement.cpu_s["runcsms"] / measurement.result.seconds * 100


def figures(fsync_ms: float) -> list[Figure]:
    """All figures; ``fsync_ms`` is what the disk takes, which the latency of a commit is forgiven."""
    to_echo, to_bare = "of the tuned echo", "times the bare server"
    more = {"less_is_better": False}
    return [
        Figure("CALLs/s, 50 charge points", _rate_ratio("closed-50", "scaled", "echo"), to_echo, 0.70, 1.0, **more),
        Figure("CALLs/s, 200 charge points", _rate_ratio("closed-200", "scaled", "echo"), to_echo, 1.1, 1.5, **more),
        Figure("CALLs/s, 50, to the echo with aiormq", _rate_ratio("closed-50", "scaled", "echo-lean"), "of that"),
        Figure("CALLs/s, 200, to the echo with aiormq", _rate_ratio("closed-200", "scaled", "echo-lean"), "of that"),
        Figure(
            "CALLs/s, 50, one query more per CALL", _rate_ratio("closed-50", "scaled-middleware", "echo"), to_echo
        ),
        Figure("CPU per CALL, gateway", _cpu_ratio("gateway"), to_bare, 2.5, 1.5),
        Figure("CPU per CALL, worker", _cpu_ratio("worker"), to_bare, 6, 3),
        Figure("CPU per CALL, PostgreSQL", _cpu_ratio("PostgreSQL"), to_bare, 3, 1.5),
        Figure("CPU per CALL, broker", _cpu_ratio("broker"), to_bare, 1, 0.5),
        Figure("p50, one charge point, less one fsync", _latency_ratio(fsync_ms), "times the echo", 4, 2.5),
        Figure("p99, open loop at 25 %", _result("open", "scaled", lambda one: one.result.p99_ms), "ms", 40, 20),
        Figure("storm, 5 000 charge points", _storm_ratio, to_bare, 3, 1.7),
        Figure("memory per idle connection", _memory_ratio, to_bare, 1.3, 1.1),
        Figure(
            "runcsms, 50 charge points", _result("closed-50", "runcsms", lambda one: one.result.calls_per_s),
            "CALLs/s", 800, 800, **more,
        ),
        Figure("runcsms, a site of 20: CPU", _result("site", "runcsms", _core_percent), "% of a core", 3, 3),
        Figure(
            "runcsms, a site of 20: memory",
            _result("site", "runcsms", lambda one: one.rss_end["runcsms"] / 1e6), "MB", 150, 150,
        ),
        Figure(
            "CALLs/s, grown database", _rate_ratio("growth", "scaled-grown", "scaled"), "of that on an empty one",
            0.85, 0.85, **more,
        ),
        Figure(
            "CALLs/s, two gateways and two workers", _rate_ratio("scale-out", "scaled-out", "scaled"),
            "times one of each",
        ),
    ]  # fmt: skip
