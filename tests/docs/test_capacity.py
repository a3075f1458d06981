"""The page on capacity reckons rightly, and from the figures of the page on performance."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

HALF_A_CORE_MS = 500


def cells(page: Path) -> list[list[str]]:
    """The rows of all tables of a page."""
    return [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in page.read_text().splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]


ROWS = cells(ROOT / "docs" / "capacity.md")
VALUES = {row[0]: float(row[1]) for row in ROWS if len(row) == 3 and re.fullmatch(r"[\d.]+", row[1])}
FLEETS = {row[0]: [float(cell) for cell in row[1:]] for row in ROWS if len(row) == 8 and row[0] != "fleet"}
PARTS = ("gateway", "worker", "RabbitMQ", "PostgreSQL")


def cost_ms(part: str) -> float:
    """CPU for each CALL."""
    return VALUES[f"CPU of a {part}" if part in ("gateway", "worker") else f"CPU of {part}"]


def test_the_cpu_of_each_part_is_that_of_the_page_on_performance() -> None:
    (row,) = (
        row for row in cells(ROOT / "docs" / "performance.md") if row[0] == "RabbitMQ + PostgreSQL, 50 charge points"
    )
    measured = {
        part: float(value) for part, value in re.findall(r"(\w+) ([\d.]+)", row[4].replace("broker", "RabbitMQ"))
    }
    assert {part: cost_ms(part) for part in PARTS} == measured


@pytest.mark.parametrize("fleet", FLEETS)
def test_calls_of_a_fleet(fleet: str) -> None:
    heartbeat, sessions, minutes, interval, peak, calls, calls_per_s = FLEETS[fleet]
    assert calls == 86_400 / heartbeat + sessions * (6 + 60 * minutes / interval)
    assert calls_per_s == round(calls / 86.4 * peak, 1)


@pytest.mark.parametrize("part", [*PARTS, "all four together"])
def test_charge_points_on_half_a_core(part: str) -> None:
    names, row = (next(row for row in ROWS if row[0] == name) for name in ("charge points on half a core of", part))
    for fleet, said in zip(names[1:], row[1:], strict=True):
        calls_per_s = FLEETS[fleet][-1]
        busy_ms = calls_per_s * sum(cost_ms(one) for one in (PARTS if part == "all four together" else (part,)))
        if part in ("gateway", "all four together"):
            busy_ms += VALUES["CPU of a gateway for pings"]
        assert said == f"{float(f'{1_000 * HALF_A_CORE_MS / busy_ms:.2g}'):,.0f}".replace(",", " "), fleet


@pytest.mark.parametrize(
    "row", [row for row in ROWS if len(row) == 4 and row[3].split()[1:2] == ["MB"]], ids=lambda row: row[0]
)
def test_what_a_public_charge_point_leaves_behind(row: list[str]) -> None:
    name, rows, kept, said = row
    _heartbeat, sessions, minutes, interval, _peak, calls, _calls_per_s = FLEETS["public"]
    a_day = {
        "message": calls,
        "meter value of three samples": sessions * 60 * minutes / interval,
        "mean of meter values over a quarter of an hour": sessions * minutes / 15,
        "transaction": sessions,
        "StatusNotification": 3 * sessions,
    }[name]
    assert float(rows.replace(" ", "")) == a_day * 365
    days = 365 if kept == "for ever" else int(kept.split()[0])
    assert float(said.split()[0]) == float(f"{a_day * days * VALUES[name] / 1e6:.2g}")
