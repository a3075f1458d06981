"""``python -m bench``: systems under test and the limits of the machine, measured in turn, compared round by round."""

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from bench import decode, machine, report
from bench.grown import Stored
from bench.runs import Measurement, Scenario, measure
from bench.scenarios import ON_DEMAND, QUICK, SCENARIOS, figures, median_of
from bench.systems import SYSTEMS, System, SystemFailed, broker_url, postgres_url
from scripts.services.errors import ServiceMissing

DATA = Path(__file__).resolve().parents[1] / ".services"
"""On the disk of this clone: a database in memory would make every figure too good."""

EPILOG = f"""\
Without --rounds: one round of {", ".join(QUICK)}, about a minute, to see where one stands.
With --rounds (or `make bench ROUNDS=4`): everything but {" and ".join(ON_DEMAND)}, in alternated rounds, about eight
minutes each. Machines are noisy: quote ratios of at least four rounds. RabbitMQ and PostgreSQL must be up: make
services.
--scenario growth fills a database at first, which takes a quarter of an hour and 19 GB: python -m bench.grown --help.
Loads: {", ".join(SCENARIOS)}. Systems: {", ".join(SYSTEMS)}.
"""


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    rounds = os.environ.get("ROUNDS")
    parser.add_argument("--rounds", type=int, default=int(rounds) if rounds else None, metavar="N", help="see below")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this load; may be repeated")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this system; may be repeated")
    parser.add_argument("--chargers", type=int, metavar="K", help="so many charge points, whatever the load says")
    parser.add_argument("--seconds", type=float, metavar="S", help="measure so long, whatever the load says")
    parser.add_argument("--warm-up", type=float, metavar="S", dest="warm_up_s", help="not measured before that")
    parser.add_argument("--rate", type=float, metavar="R", help="open: CALLs/s, instead of 25 %% of the maximum")
    for name in ("messages", "meter_values"):
        default, option = getattr(Stored, name), f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=default, metavar="N", help="scaled-grown: so many are stored")
    parser.add_argument("--json", metavar="FILE", help="write every measurement there; - is the terminal")
    parser.add_argument("--record", action="store_true", help="append the figures to bench/history.md")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds takes a number from 1")
    return options


class Benchmark:
    """All rounds; systems are started when they are first needed and stay, unless a load wants them new."""

    def __init__(self, options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
        self._options = options
        self._folder = folder
        self._stack = stack
        self._running: dict[str, System] = {}
        self._starts = 0
        self._scenarios = [self._adapted(SCENARIOS[name]) for name in self._names()]
        self.rounds: list[dict[tuple[str, str], Measurement]] = []
        self.fsync_ms = machine.fsync_ms(folder)

    def run(self) -> None:
        """Measure; prints a line for every measurement."""
        for number in range(1, (self._options.rounds or 1) + 1):
            self.rounds.append({})
            for scenario in self._scenarios:
                print(f"\nround {number}: {scenario.title}", flush=True)
                for name in self._in_turn(scenario, number):
                    if scenario.starts_anew:
                        self._end(name)
                    self._measure(self._system(name), scenario, number)

    def _measure(self, system: System, scenario: Scenario, number: int) -> None:
        one = self.rounds[-1]
        rate = 0.0
        if scenario.share_of_maximum:
            maximum = one.get(("closed-50", scenario.rate_of or system.name))
            rate = self._options.rate or (maximum.result.calls_per_s * scenario.share_of_maximum if maximum else 0.0)
            if not rate:
                raise SystemFailed(f"{scenario.name} needs --rate, or closed-50 in the same round.")
        one[scenario.name, system.name] = measurement = measure(system, scenario, number, rate)
        print("  " + report.line_of(measurement), flush=True)

    def _in_turn(self, scenario: Scenario, number: int) -> list[str]:
        """Every other round the other way round, so that no system always follows the same one."""
        names = [name for name in scenario.systems if name in (self._options.system or SYSTEMS)]
        return names if number % 2 else names[::-1]

    def _system(self, name: str) -> System:
        if name not in self._running:
            most = max(scenario.chargers for scenario in self._scenarios if name in scenario.systems)
            stored = Stored(self._options.messages, self._options.meter_values)
            self._starts += 1
            system = SYSTEMS[name](self._folder / f"{self._starts}", most, stored)  # a database of its own each time
            self._running[name] = system
            self._stack.callback(self._end, name)
            system.start()
        return self._running[name]

    def _end(self, name: str) -> None:
        if (system := self._running.pop(name, None)) is not None:
            system.stop()

    def _names(self) -> list[str]:
        if self._options.scenario:
            return [name for name in SCENARIOS if name in self._options.scenario]
        if self._options.rounds is None:
            return list(QUICK)
        return [name for name in SCENARIOS if name not in ON_DEMAND]

    def _adapted(self, scenario: Scenario) -> Scenario:
        changes: dict[str, Any] = {
            name: value
            for name in ("chargers", "seconds", "warm_up_s")
            if (value := getattr(self._options, name)) is not None
        }
        if self._options.rounds is None and not self._options.scenario:
            changes["systems"] = tuple(name for name in scenario.systems if name != "scaled-middleware")
        return msgspec.structs.replace(scenario, **changes)


def main() -> int:
    """The exit code: 0 when there was no error in any run."""
    options = parse_options()
    DATA.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=DATA))
    noise = machine.load_average()
    try:
        with ExitStack() as stack:
            benchmark = Benchmark(options, folder, stack)
            benchmark.run()
    except (SystemFailed, ServiceMissing) as error:
        print(f"\n{error}\nThe logs are in {folder}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        return 130
    tell(benchmark, options, noise)
    shutil.rmtree(folder)
    return 1 if any(found.result.errors for one in benchmark.rounds for found in one.values()) else 0


def tell(benchmark: Benchmark, options: argparse.Namespace, noise: float) -> None:
    """The tables, and what was asked for beside them."""
    rounds, expected = benchmark.rounds, figures(benchmark.fsync_ms)
    decode_us = decode.decode_us()
    about = machine.describe(broker_url(), postgres_url())
    print(f"\n{report.tables(rounds)}\n")
    print("Figures: medians of the ratios of each round (lowest to highest)")
    print("\n".join(report.figure_lines(expected, rounds)))
    print(f"  {'decoding MeterValues, three samples':<38} {decode_us:>8.2f} µs")
    conditions = f"fsync {benchmark.fsync_ms:.2f} ms; load average before the run {noise:.1f}"
    print(f"\n{about.summary()}; {conditions}")
    if options.json:
        found = {figure.label: value[0] for figure in expected if (value := median_of(figure, rounds))}
        measurements = [measurement for one in rounds for measurement in one.values()]
        document = {
            "machine": about,
            "fsync_ms": benchmark.fsync_ms,
            "load_average": noise,
            "decode_us": decode_us,
            "figures": found,
            "measurements": measurements,
        }
        text = msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"
        sys.stdout.write(text) if options.json == "-" else Path(options.json).write_text(text)
    if options.record:
        report.record(rounds, expected, about, conditions)


if __name__ == "__main__":
    sys.exit(main())
