"""Tables for people: in the terminal, and as lines of ``bench/history.md``."""

import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import Machine
from bench.runs import Measurement
from bench.scenarios import SCENARIOS, Figure, Round, median_of
from bench.systems import SYSTEMS

HEADINGS = ("CALLs/s", "p50 ms", "p99 ms", "seconds", "errors")
HISTORY = Path(__file__).with_name("history.md")
BUSY = 0.9
"""A load generator that needs more of its core than this may be what is measured."""


def line_of(measurement: Measurement) -> str:
    """One measurement in one line, for those who watch."""
    result = measurement.result
    label = SYSTEMS[measurement.system].label
    text = f"{label:<24} {result.calls_per_s:>8,.0f} CALLs/s   p50 {result.p50_ms:8.2f}   p99 {result.p99_ms:8.2f} ms"
    text += f"   errors {result.errors}"
    return "\n".join([text, *[f"    {sample}" for sample in result.error_samples]])


def tables(rounds: Sequence[Round]) -> str:
    """A table for each scenario: medians over the rounds."""
    names = [name for name in SCENARIOS if any(scenario == name for one in rounds for scenario, _ in one)]
    return "\n\n".join(_table(name, rounds) for name in names)


def _table(scenario: str, rounds: Sequence[Round]) -> str:
    lines = [f"{SCENARIOS[scenario].title} (medians)", f"  {'':<24} {_cells(HEADINGS)}   CPU ms per CALL"]
    for system in SCENARIOS[scenario].systems:
        some = _of(rounds, scenario, system)
        if some:
            notes = [_costs(some), *_memory(some), *_warnings(some)]
            lines.append(f"  {SYSTEMS[system].label:<24} {_cells(_numbers(some))}   {'; '.join(notes)}")
    return "\n".join(lines)


def _of(rounds: Sequence[Round], scenario: str, system: str) -> list[Measurement]:
    return [one[scenario, system] for one in rounds if (scenario, system) in one]


def _cells(texts: Sequence[str]) -> str:
    return " ".join(f"{text:>9}" for text in texts)


def _numbers(some: Sequence[Measurement]) -> list[str]:
    """Medians in the order of HEADINGS; errors are a sum."""
    results = [one.result for one in some]
    return [
        f"{statistics.median(result.calls_per_s for result in results):,.0f}",
        f"{statistics.median(result.p50_ms for result in results):.2f}",
        f"{statistics.median(result.p99_ms for result in results):.2f}",
        f"{statistics.median(result.seconds for result in results):.2f}",
        f"{sum(result.errors for result in results)}",
    ]


def _costs(some: Sequence[Measurement]) -> str:
    return ", ".join(f"{part} {_median_cost(some, part):.3f}" for part in some[0].cpu_s)


def _median_cost(some: Sequence[Measurement], part: str) -> float:
    return statistics.median(one.cpu_ms_per_call(part) or 0.0 for one in some)


def _memory(some: Sequence[Measurement]) -> list[str]:
    if SCENARIOS[some[0].scenario].kind != "idle":
        return []
    growth = {part: statistics.median(one.growth_per_connection(part) for one in some) for part in some[0].rss_end}
    return ["memory per connection: " + ", ".join(f"{part} {size / 1024:.1f} KiB" for part, size in growth.items())]


def _warnings(some: Sequence[Measurement]) -> list[str]:
    busy = any(one.result.load_cpu_s > BUSY * one.result.seconds for one in some)
    return ["the load generator was busy all the time"] if busy else []


def figure_lines(figures: Sequence[Figure], rounds: Sequence[Round]) -> list[str]:
    """Every figure that the rounds tell: median, lowest and highest, and how it compares with what is expected."""
    lines = []
    for figure in figures:
        found = median_of(figure, rounds)
        if found is not None:
            lines.append(_figure_line(figure, *found))
    return lines


def _figure_line(figure: Figure, median: float, low: float, high: float) -> str:
    text = f"  {figure.label:<38} {median:>8.2f} {figure.unit:<22}"
    spread = f" ({low:.2f} to {high:.2f})" if low != high else ""
    if figure.floor is None:
        return text + spread
    return f"{text} floor {figure.floor:g}, goal {figure.goal:g}: {figure.verdict(median)}{spread}"


# -- history -------------------------------------------------------------------------------------------------


def record(rounds: Sequence[Round], figures: Sequence[Figure], machine: Machine, conditions: str) -> None:
    """Append the figures to ``bench/history.md``."""
    lines = [
        f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine.commit}\n",
        f"{machine.summary()}; {conditions}; {len(rounds)} rounds.\n",
        "| figure | median | rounds | unit |",
        "|---|---|---|---|",
    ]
    for figure in figures:
        found = median_of(figure, rounds)
        if found is not None:
            median, low, high = found
            lines.append(f"| {figure.label} | {median:.2f} | {low:.2f} to {high:.2f} | {figure.unit} |")
    headings = ["load", "system", *HEADINGS, "CPU ms per CALL"]
    lines += ["", f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for name, scenario in SCENARIOS.items():
        for system in scenario.systems:
            some = _of(rounds, name, system)
            if some:
                cells = [scenario.title, SYSTEMS[system].label, *_numbers(some), _costs(some)]
                lines.append(f"| {' | '.join(cells)} |")
    with HISTORY.open("a") as file:
        file.write("\n".join([*lines, ""]))
