"""What the soak cannot show: a broker cluster, thousands at once, and one process on a disk that is full."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from bench.load import raise_file_limit
from tests.e2e.processes import ROOT, environment, wait_until
from tests.faults import report, storm
from tests.faults.guards import GUARDS
from tests.faults.injections import BACK_OFF_S, FAULTS, WITHIN_S, Scene, hiding
from tests.faults.reconcile import KINDS, Findings
from tests.faults.report import Section
from tests.faults.run import Run
from tests.faults.services import BrokerCluster
from tests.faults.system import Site, running, running_on

Say = Callable[[object], None]
NODE_CHARGERS = 60
SITE_CHARGERS = 20
STORM_CHARGERS = 5000


# -- a broker cluster ----------------------------------------------------------------------------------------


def broker_cluster(folder: Path, say: Say) -> Section:
    """Each of three nodes is killed in turn, and comes back when traffic has gone on without it."""
    folder.mkdir(parents=True)
    with ExitStack() as ends:
        cluster = BrokerCluster(folder / "brokers")
        ends.callback(cluster.end)
        cluster.start()
        say("three nodes are one broker")
        quorum = {"OCPP_RPC_QUEUE_TYPE": "quorum", "WSGATE_QUEUE_TYPE": "quorum"}
        system = ends.enter_context(running_on(folder, cluster, **quorum))
        run = Run(folder, system, int(os.environ.get("CHARGERS") or NODE_CHARGERS), _seed(), ends, 6.0)
        rows, slow = [], []
        for node in cluster.nodes:
            node.process.end()
            killed_at = time.monotonic()
            took = run.watch.seconds_to_recover(killed_at + 2.0, run.outcome.rate, 60.0)
            run.outages.append((killed_at, time.monotonic()))
            time.sleep(5.0)
            without = run.watch.rate(time.monotonic(), 4.0)
            say(f"{node.process.name} is dead: full rate after {took}, {without:.0f} CALLs a second without it")
            node.process.start()
            node.wait_until_reachable()
            time.sleep(3.0)
            shown = "-" if took is None else f"{took + 2.0:.1f}"
            rows.append(f"| {node.process.name} | {shown} | {WITHIN_S + BACK_OFF_S:.0f} | {without:.0f} |")
            if took is None or took + 2.0 > WITHIN_S + BACK_OFF_S:
                slow.append(f"{node.process.name} dead: not as before in time")
        outcome = run.finish()
    text = [
        f"RabbitMQ as a cluster of three nodes, `quorum` queue, {outcome.chargers} charge points, "
        f"{outcome.rate:.0f} CALLs a second. One node after the other is killed with -9.",
        "",
        "| killed | seconds to full rate | allowed | CALLs a second without it |",
        "|---|---|---|---|",
        *rows,
        "",
        summary(outcome.findings),
    ]
    return Section(
        "A broker cluster loses a node", "\n".join(text), slow + outcome.violations, _figures(outcome.findings)
    )


# -- a storm -------------------------------------------------------------------------------------------------

REGISTER = """
from ocpp_app.models import ChargePoint, Organisation
rows = [
    ChargePoint(
        organisation=Organisation.default(), identity=f"STORM-{number:05d}", security_profile=0,
        registration_status="Accepted",
    )
    for number in range(1, COUNT + 1)
]
result = len(ChargePoint.objects.bulk_create(rows, 1000))
"""


def storm_of_all(folder: Path, say: Say) -> Section:
    """All at once: handshake, boot, three statuses; nobody gets a second chance."""
    count = int(os.environ.get("STORM") or STORM_CHARGERS)
    raise_file_limit()
    with running(folder) as system:
        system.shell(REGISTER.replace("COUNT", str(count)))
        command = [
            sys.executable,
            "-m",
            "tests.faults.storm",
            f"--count={count}",
            *(f"--url={url}" for url in system.urls),
        ]
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        stored = system.database.value("SELECT count(*) FROM ocpp_app_message WHERE direction = 'in'")
        booted = system.database.value("SELECT count(*) FROM ocpp_app_chargepoint WHERE last_boot_at IS NOT NULL")
    calls, failures, seconds = result["answered"], result["failures"], result["seconds"]
    say(f"{calls} CALLs answered in {seconds:.0f} s, {len(failures)} failures")
    violations = [f"{len(failures)} failures: {failures[0]}"] if failures else []
    if calls != count * storm.CALLS_EACH or booted != count or stored < calls:
        violations.append(f"{calls} answers, {booted} booted, {stored} frames in the log, of {count} charge points")
    text = (
        f"{count} charge points connect at once to two gateways, boot and report three statuses each: {calls} CALLs "
        f"answered, {len(failures)} failures and timeouts, everything through after {seconds:.0f} s, the slowest "
        f"answer after {result['slowest_s']:.1f} s. {booted} have booted, and {stored} frames are in the log."
    )
    figures = {"chargers": count, "calls": calls, "failures": len(failures), "seconds": round(seconds, 1)}
    return Section("A storm", text, violations, figures)


# -- one process on SQLite -----------------------------------------------------------------------------------

DISK = "24m"


def one_process(folder: Path, say: Say) -> Section:
    """``runcsms``: killed with -9, and its disk full."""
    with ExitStack() as ends:
        disk, is_small = folder / "disk", False
        disk.mkdir(parents=True)
        if os.geteuid() == 0:
            is_small = not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "faults", str(disk)]
            ).returncode
        if is_small:
            ends.callback(subprocess.run, ["umount", "--lazy", str(disk)])
        site = Site(folder, disk / "csms.sqlite3")
        ends.callback(site.end)
        site.start()
        run = Run(
            folder, site, min(SITE_CHARGERS, int(os.environ.get("CHARGERS") or SITE_CHARGERS)), _seed(), ends, 6.0
        )
        killed = hiding(
            "runcsms-killed", "kill -9 of runcsms", lambda scene: kill_runcsms(site, scene), "processes", cuts=True
        )
        full = hiding("disk-full", "the disk of SQLite is full", lambda scene: fill(disk, scene), "disk", cuts=True)
        for fault in (killed, full, killed, full) if is_small else (killed, killed):
            run.alone([fault])
            last = run.outcome.injections[-1]
            say(f"{fault.name}: {last.calls} CALLs, full rate after {last.recovered_s} s {last.error}")
        section = report.soak_section(run.finish())
        section.title = "One process on SQLite"
        if not is_small:
            section.text += "\n\nA full disk was not tried: this user may not mount a small one."
        return section


def kill_runcsms(site: Site, scene: Scene) -> None:
    old = site.runcsms.pid
    site.runcsms.kill()
    scene.gateway_ends.append(time.monotonic())
    wait_until(lambda: site.runcsms.is_running and site.runcsms.pid != old, "runcsms is started again")
    site.wait_until_it_listens()


def fill(disk: Path, scene: Scene) -> None:
    """Nothing more can be written there for a while."""
    ballast = disk / "ballast"
    ends_at = time.monotonic() + scene.lasting(6.0, 25.0)
    with ballast.open("wb", buffering=0) as file:
        while time.monotonic() < ends_at:
            try:
                file.write(bytes(4096))
            except OSError:  # it is full; what is given back meanwhile is taken, too
                time.sleep(0.1)
    ballast.unlink()


# -- the guards ----------------------------------------------------------------------------------------------

GUARD_CHARGERS = 30


def guards_off(folder: Path, say: Say) -> Section:
    """Each guard is switched off once: the reconciliation has to find what it keeps away."""
    rows = ["| switched off | fault | lost | doubled | wrong | found |", "|---|---|---|---|---|---|"]
    unnoticed = []
    only = os.environ.get("GUARD", "").split()
    for name, guard in GUARDS.items():
        if only and name not in only:
            continue
        findings = without(name, folder / name)
        counts = {kind: findings.count(kind) for kind in KINDS}
        is_found = any(counts[kind] for kind in guard.expected)
        say(f"without {name}: {counts}\n{findings.described()}")
        faults = ", ".join(FAULTS[each].what for each in dict.fromkeys(guard.faults))
        cells = [guard.what, faults, *counts.values(), "yes" if is_found else "**no**"]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
        if not is_found:
            unnoticed.append(f"nobody notices that {name} is missing")
    return Section("Each guard switched off once", "\n".join(rows), unnoticed, {"guards": len(GUARDS)})


def without(name: str, folder: Path) -> Findings:
    """What the reconciliation finds when processes go without a guard."""
    guard = GUARDS[name]
    with running(folder, guard_off=name) as system, ExitStack() as ends:
        if guard.sql:
            with psycopg.connect(system.postgres.url, autocommit=True) as connection:
                connection.execute(guard.sql)
        run = Run(folder, system, GUARD_CHARGERS, _seed(), ends, 2.0)
        run.alone(FAULTS[each] for each in guard.faults)
        return run.finish().findings


def _seed() -> int:
    return int(os.environ.get("SEED") or random.randrange(1_000_000))


# -- what both say -------------------------------------------------------------------------------------------


def summary(findings: Findings) -> str:
    counts = ", ".join(f"{findings.count(kind)} {kind}" for kind in ("lost", "doubled", "wrong"))
    return (
        f"{findings.calls} CALLs, {findings.transactions} transactions, {findings.meter_values} meter values, "
        f"{findings.commands} commands: {counts}."
    )


def _figures(findings: Findings) -> dict[str, Any]:
    return {"calls": findings.calls, **{kind: findings.count(kind) for kind in ("lost", "doubled", "wrong")}}
