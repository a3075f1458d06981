"""``python -m simulator``: charge points on the command line."""

import argparse
import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from simulator import scenario
from simulator.charge_point import Specification
from simulator.drivers import Habits
from simulator.fleet import Simulator
from simulator.progress import Progress
from simulator.scenario import Scenario, ScenarioError

SINGLE_PHASE_W = 7360.0
"""32 A at 230 V."""
EXIT_CLEAN, EXIT_FAULTS, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; on a wrong one it says what is wrong and exits with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Simulated OCPP 1.6J charge points on real websockets.",
        epilog="\n".join(scenario.overview()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_argument_group("where to")
    where.add_argument(
        "--url", default="ws://127.0.0.1:9000/ocpp", help="the central system, without the identity [%(default)s]"
    )
    where.add_argument("--password", help="HTTP basic authentication, the identity is the user name")
    what = parser.add_argument_group("which charge points")
    what.add_argument("--count", type=_count, default=1, help="how many [%(default)s]")
    what.add_argument("--prefix", default="SIM", help="of their identities: SIM0001, SIM0002, … [%(default)s]")
    what.add_argument(
        "--identity", action="append", help="the identity of one, instead of --count and --prefix; may be repeated"
    )
    what.add_argument("--connectors", type=_count, default=1, help="of each [%(default)s]")
    what.add_argument("--vendor", default="Simulated", help="[%(default)s]")
    what.add_argument("--model", default="Sim AC", help="[%(default)s]")
    what.add_argument("--three-phase", action="store_true", help="a meter with three phases")
    what.add_argument("--power", type=_power, help="of a connector, such as 11kW [7.36kW, with three phases 22.08kW]")
    what.add_argument(
        "--sample-interval", type=int, default=15, metavar="S", help="MeterValueSampleInterval [%(default)s]"
    )
    how = parser.add_argument_group("what happens there")
    how.add_argument(
        "--tags", type=_list, default=[], metavar="A,B,C", help="idTags that the drivers use [made-up ones]"
    )
    how.add_argument("--no-tag", action="store_true", help="drivers only plug in: the central system starts remotely")
    how.add_argument("--scenario", help="a script, or one of those below, instead of drivers who come and go")
    how.add_argument(
        "--once", action="store_true", help="end when every connector has charged one car; 1 if anything failed"
    )
    how.add_argument("--speed", type=_speed, default=1.0, help="simulated seconds per second [%(default)g]")
    how.add_argument("--seed", type=int, help="makes the drivers' behaviour repeatable")
    out = parser.add_argument_group("what is shown")
    out.add_argument(
        "--ledger", type=Path, metavar="FILE", help="every frame and transaction as a line of JSON, appended"
    )
    out.add_argument("--quiet", action="store_true", help="nothing but alarms and the last line")
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace, script: Scenario | None) -> int:
    """Run the simulation until it ends or a signal comes; the exit code."""
    progress = Progress(options.url, is_quiet=options.quiet)
    simulator = Simulator(
        options.url,
        options.identity or [f"{options.prefix}{number:04}" for number in range(1, options.count + 1)],
        specification=_specification(options),
        password=options.password,
        habits=Habits(tags=options.tags, uses_tags=not options.no_tag),
        ledger_path=options.ledger,
        listener=progress.listen,
    )
    failures: list[str] = []
    async with simulator:
        shown = asyncio.create_task(progress.show(simulator))
        work = asyncio.create_task(_work(simulator, script, options, failures))
        is_interrupted = await _ended_or_interrupted(work)
        shown.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await shown
        is_clean = simulator.summary().is_clean and not failures
    progress.finish(simulator)
    for failure in failures:
        print(failure, file=sys.stderr)
    return _exit_code(is_interrupted, is_clean, ends_by_itself=options.once or script is not None)


async def _work(
    simulator: Simulator, script: Scenario | None, options: argparse.Namespace, failures: list[str]
) -> None:
    if script is None:
        failures += await simulator.run(times=1 if options.once else None)
    else:
        failures += await simulator.play(script, options.tags or [scenario.DEFAULT_TAG])


async def _ended_or_interrupted(work: "asyncio.Task[None]") -> bool:
    """Wait for the work or for Ctrl-C; a second Ctrl-C does not wait for anything any more."""
    interrupted = asyncio.Event()
    _on_signal(interrupted.set)
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    _on_signal(lambda: os._exit(EXIT_INTERRUPTED))
    waiting.cancel()
    if work.done():
        work.result()
        return False
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return True


def _on_signal(act: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt comes instead
            asyncio.get_running_loop().add_signal_handler(number, act)


def _exit_code(is_interrupted: bool, is_clean: bool, *, ends_by_itself: bool) -> int:
    if is_interrupted:
        return EXIT_INTERRUPTED if ends_by_itself else EXIT_CLEAN
    return EXIT_CLEAN if is_clean else EXIT_FAULTS


def _specification(options: argparse.Namespace) -> Specification:
    phases = 3 if options.three_phase else 1
    return Specification(
        identity="",
        vendor=options.vendor,
        model=options.model,
        connectors=options.connectors,
        phases=phases,
        max_power_w=options.power or SINGLE_PHASE_W * phases,
        sample_interval_s=options.sample_interval,
        speed=options.speed,
        seed=options.seed,
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if speed <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return speed


def _power(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(kW|W)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no power such as 11kW or 7360W")
    return float(match[1]) * (1000.0 if match[2] == "kW" else 1.0)


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _allow_many_files() -> None:
    """Each charge point is an open file: take as many as the system lets this process have."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options and run; the exit code."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # what it says is in the ledger, and shown
    _allow_many_files()
    try:
        script = None if options.scenario is None else scenario.load(options.scenario)
        return asyncio.run(run(options, script))
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
