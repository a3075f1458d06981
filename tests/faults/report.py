"""What a run says: a page of Markdown for the documentation, and a line for machines."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.injections import BACK_OFF_S, WITHIN_S
from tests.faults.reconcile import KINDS, Finding
from tests.faults.run import ELSEWHERE, Injection, Outcome
from tests.faults.truth import HEARTBEAT_S

PAGE = Path(__file__).resolve().parents[2] / "docs" / "generated" / "faults.md"
RUN_AS_A_WHOLE = "the run as a whole"


@dataclass
class Section:
    """One part of the page."""

    title: str
    text: str
    violations: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def soak_section(outcome: Outcome) -> Section:
    """The table of faults and the totals."""
    findings, named = outcome.findings, _by_fault(outcome)
    rows = ["| fault | times | CALLs | lost | doubled | wrong | elsewhere | seconds to recover | allowed | kept |"]
    rows.append("|---|---|---|---|---|---|---|---|---|---|")
    for fault in dict.fromkeys(sorted((one.fault for one in outcome.injections), key=lambda fault: fault.what)):
        of_it = [one for one in outcome.injections if one.fault is fault]
        found = [sum(one.kind == kind for one in named[fault.name]) for kind in KINDS]
        alone = [one.recovered_s for one in of_it if one.is_alone]
        worst = max((seconds for seconds in alone if seconds is not None), default=None)
        took = "-" if worst is None else f"{worst:.1f}"
        least = min((one.elsewhere for one in of_it if one.elsewhere is not None), default=None)
        shares = "-" if least is None else f"{least:.0%}"
        is_kept = all(one.is_kept for one in of_it)
        cells = [fault.what, len(of_it), sum(one.calls for one in of_it), *found, shares, took, f"{fault.limit_s:.0f}"]
        rows.append("| " + " | ".join(map(str, [*cells, _word(is_kept and not any(found))])) + " |")
    found = [findings.count(kind) for kind in KINDS]
    kept, total = _word(not outcome.violations), f"{len(outcome.injections)} | {findings.calls}"
    rows.append(f"| **all** | {total} | {found[0]} | {found[1]} | {found[2]} | | | | {kept} |")
    text = "\n".join([*rows, "", *_totals(outcome)])
    figures = {
        "seed": outcome.seed,
        "seconds": round(outcome.seconds),
        "chargers": outcome.chargers,
        "rate": round(outcome.rate, 1),
        "injections": len(outcome.injections),
        "calls": findings.calls,
        "transactions": findings.transactions,
        "meter_values": findings.meter_values,
        "commands": findings.commands,
        **dict(zip(KINDS, found, strict=True)),
    }
    return Section("All faults, alone and mixed", text, outcome.violations, figures)


def _totals(outcome: Outcome) -> list[str]:
    findings = outcome.findings
    lines = [
        f"{outcome.chargers} charge points, {outcome.seconds / 60:.0f} minutes, {outcome.rate:.0f} CALLs a second, "
        f"seed {outcome.seed}. Compared: {findings.transactions} transactions, {findings.meter_values} meter values, "
        f"{findings.commands} commands. The supervisor started a part again {outcome.restarts} times.",
        "",
        f"Longest that a charge point was shown online or offline wrongly: {_of(outcome.shown_wrongly_s)}, "
        f"one without pings: {_of(outcome.without_pings_wrongly_s)}.",
    ]
    if findings.kept_with_our_time:
        lines += [
            "",
            f"{findings.kept_with_our_time} meter values were kept with our time: our own clock had been set back.",
        ]
    lines += [
        "",
        "| process | longest life | MB when it had settled | MB at its end | MB in the run's first quarter | "
        "MB in its last quarter | flat |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in outcome.growths:
        lines.append(
            f"| {one.part} | {one.seconds:.0f} s | {one.first_mb:.0f} | {one.last_mb:.0f} | {one.early_mb:.0f} | "
            f"{one.late_mb:.0f} | {_word(one.is_flat)} |"
        )
    return lines


def _by_fault(outcome: Outcome) -> dict[str, list[Finding]]:
    """What was found, by the fault that had begun last."""
    named: dict[str, list[Finding]] = defaultdict(list)
    for finding in outcome.findings.found:
        begun: list[Injection] = []
        if finding.at is not None:
            begun = [one for one in outcome.injections if one.began_at <= finding.at]
        named[begun[-1].fault.name if begun else RUN_AS_A_WHOLE].append(finding)
    return named


def _of(seconds_and_allowed: tuple[float, float]) -> str:
    seconds, allowed = seconds_and_allowed
    return f"{seconds:.0f} s (allowed: {allowed:.0f} s)"


def _word(is_kept: bool) -> str:
    return "yes" if is_kept else "**no**"


def page(sections: list[Section], machine: str) -> str:
    """The page as a whole."""
    allowed = f"{WITHIN_S:.0f} s after the cause is gone"
    parts = [
        f"Measured on {machine}. The full rate is to be there again within {allowed}; where sockets were closed, "
        f"within {BACK_OFF_S:.0f} s more, the longest back-off of a charge point.",
        "Elsewhere: the lowest rate, in percent of the usual one, of the charge points that a fault does not touch, "
        f"while it does its damage and what has died starts again (demanded: {ELSEWHERE:.0%}); - where it touches all. "
        "An eighth of the charge points are models without pings behind a proxy, with a heartbeat every "
        f"{HEARTBEAT_S} s.",
    ]
    for section in sections:
        parts += [f"### {section.title}", section.text]
        if section.violations:
            parts.append("Not kept:\n\n" + "\n".join(f"- {one.splitlines()[0]}" for one in section.violations))
    return "\n\n".join(parts) + "\n"


def machine_line(sections: list[Section]) -> str:
    figures = {section.title: {**section.figures, "violations": len(section.violations)} for section in sections}
    return "FAULTS " + json.dumps(figures, separators=(",", ":"))
