"""``python -m tests.faults``: break everything, and compare what charge points know with what is in the database.

Ends with 1 when anything was lost, doubled or wrong, or took longer than it may. SOAK (seconds), CHARGERS, SEED, FAULT
(only this one, alone) and GUARD (only these are switched off) are read from the environment; ``--write`` makes the page
of the documentation.
"""

import argparse
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scripts.services.errors import ServiceMissing
from tests.faults import report, scenes
from tests.faults.injections import FAULTS
from tests.faults.report import Section
from tests.faults.run import SOAK_S, Injection, faults_run

CHARGERS = 200


def say(text: object) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def say_injection(one: Injection) -> None:
    elsewhere = "" if one.elsewhere is None else f", {one.elsewhere:.0%} elsewhere"
    took = "" if one.recovered_s is None else f", full rate after {one.recovered_s:.1f} s"
    say(f"{one.fault.name}: {one.calls} CALLs{took}{elsewhere}{'' if one.is_alone else ' (mixed)'} {one.error}")


def soak(folder: Path) -> Section:
    """All faults against one system, for as long as is asked for."""
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    chargers, seconds = int(os.environ.get("CHARGERS") or CHARGERS), float(os.environ.get("SOAK") or SOAK_S)
    say(f"{chargers} charge points, {seconds:.0f} s, SEED={seed}")
    with faults_run(folder, chargers, seed) as run:
        say(f"the usual rate is {run.outcome.rate:.0f} CALLs a second")
        if only := os.environ.get("FAULT"):
            ends_at = time.monotonic() + seconds
            while time.monotonic() < ends_at:
                run.alone([FAULTS[only]])
                say_injection(run.outcome.injections[-1])
        else:
            run.mixed(seconds, say_injection)
        say("the charge points finish, then everything is compared")
        return report.soak_section(run.finish())


PARTS: dict[str, Callable[[Path], Section]] = {
    "soak": soak,
    "guards": lambda folder: scenes.guards_off(folder, say),
    "cluster": lambda folder: scenes.broker_cluster(folder, say),
    "storm": lambda folder: scenes.storm_of_all(folder, say),
    "site": lambda folder: scenes.one_process(folder, say),
}


def machine() -> str:
    return f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help=f"write {report.PAGE.name} for the documentation")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it has started is ended on the way out
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    folder = Path(tempfile.mkdtemp(prefix="ocpp-faults-"))
    sections: list[Section] = []
    for name in options.part or PARTS:
        say(f"── {name}")
        try:
            sections.append(PARTS[name](folder / name))
        except ServiceMissing as error:
            print(error, file=sys.stderr)
            return 1
        say(sections[-1].text)
        for violation in sections[-1].violations:
            say(f"NOT KEPT: {violation}")
    if options.write:
        report.PAGE.write_text(report.page(sections, machine()))
    print(report.machine_line(sections))
    failed = any(section.violations for section in sections)
    if failed:
        print(f"What the processes wrote: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
