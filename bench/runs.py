"""One measurement: a load generator against a system, with what each process of the system costs meanwhile."""

import subprocess
from collections import Counter
from collections.abc import Mapping

import msgspec

from bench import processes
from bench.load import FIRST_CONNECTIONS
from bench.systems import System, SystemFailed
from bench.tally import Phase, Result, read_line

LOAD = "load"
"""The load generator's name among the parts."""


class Scenario(msgspec.Struct, frozen=True):
    """One kind of load, and which systems get it in turn."""

    name: str
    title: str
    kind: str
    chargers: int
    systems: tuple[str, ...]
    seconds: float = 8.0
    warm_up_s: float = 2.0
    share_of_maximum: float = 0.0
    """open: the rate, as a share of what a system did in ``closed-50`` in the same round."""
    rate_of: str = ""
    """Which system's; its own where empty."""
    starts_anew: bool = False
    """Whether its systems are started for it alone: where memory is measured, an earlier load would have taken it."""


class Measurement(msgspec.Struct):
    """What came out of one run."""

    scenario: str
    system: str
    round: int
    result: Result
    cpu_s: dict[str, float]
    """CPU time by part within the measurement; the load generator's under ``load``."""
    rss_begin: dict[str, int]
    rss_end: dict[str, int]
    """Resident memory in bytes by part: at the begin, and at the end (idle: with all connections)."""

    def cpu_ms_per_call(self, part: str) -> float | None:
        """CPU milliseconds of a part for each CALL; None where that cannot be told."""
        if part not in self.cpu_s or not self.result.calls:
            return None
        return self.cpu_s[part] * 1000 / self.result.calls

    def growth_per_connection(self, part: str) -> float:
        """By how many bytes a part grew for each connection that came within the measurement (idle)."""
        return (self.rss_end[part] - self.rss_begin[part]) / max(1, self.result.connections - FIRST_CONNECTIONS)


class Sample(msgspec.Struct):
    """CPU time and memory of all parts at one moment."""

    cpu_s: dict[str, float]
    rss: dict[str, int]


def measure(system: System, scenario: Scenario, round_number: int, rate: float = 0.0) -> Measurement:
    """Run the load and compare the answers with the rows. Raises ``SystemFailed``."""
    command, environment = system.load_command(scenario.kind, _options(scenario, rate))
    samples: dict[str, Sample] = {}
    result: Result | None = None
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as load:
        assert load.stdout is not None
        try:
            for text in load.stdout:
                line = read_line(text)
                if isinstance(line, Phase):
                    samples[line.name] = _sample(system.pids)
                else:
                    result = line
        finally:
            load.terminate()
    system.check()
    if result is None or not {"begin", "end"} <= samples.keys():
        raise SystemFailed(f"The load generator for {system.label} ended early; what it said is above.")
    _compare_with_rows(system, result)
    return _measurement(scenario, system, round_number, result, samples)


def _options(scenario: Scenario, rate: float) -> list[str]:
    options = [f"--chargers={scenario.chargers}", f"--seconds={scenario.seconds}", f"--warm-up={scenario.warm_up_s}"]
    return [*options, f"--rate={rate}"] if rate else options


def _sample(pids: Mapping[str, list[int]]) -> Sample:
    return Sample(
        {part: processes.cpu_s(some) for part, some in pids.items()},
        {part: processes.rss_bytes(some) for part, some in pids.items()},
    )


def _measurement(
    scenario: Scenario, system: System, round_number: int, result: Result, samples: dict[str, Sample]
) -> Measurement:
    begin, end = samples["begin"], samples["end"]
    cpu_s = {part: end.cpu_s[part] - begin.cpu_s[part] for part in end.cpu_s}
    return Measurement(
        scenario=scenario.name,
        system=system.name,
        round=round_number,
        result=result,
        cpu_s={**cpu_s, LOAD: result.load_cpu_s},
        rss_begin=begin.rss,
        rss_end=samples.get("connected", end).rss,
    )


def _compare_with_rows(system: System, result: Result) -> None:
    """What was answered must be in the database, exactly once: each difference is an error of the run."""
    system.expected.update(result.answers)
    rows = system.rows()
    if rows is None:
        return
    actual = Counter({**rows.answered, "transactions": rows.transactions, "meter values": rows.meter_values})
    actual.subtract(system.surplus)
    expected = Counter(
        {
            **system.expected,
            "transactions": system.expected["StartTransaction"],
            "meter values": system.expected["MeterValues"],
        }
    )
    for name in sorted(actual.keys() | expected.keys()):
        difference = actual[name] - expected[name]
        if difference:
            result.errors += abs(difference)
            result.error_samples.append(f"{name}: {actual[name]} rows, {expected[name]} answers")
            system.surplus[name] += difference  # the next run is judged by its own differences
