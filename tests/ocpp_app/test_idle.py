"""Since when a car has been full."""

from datetime import UTC, datetime, timedelta

import pytest

from ocpp_app.idle import Reading, full_since

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


@pytest.mark.parametrize(
    ("statuses", "readings", "full_at"),
    [
        pytest.param([], [], None, id="nothing is known"),
        pytest.param([(1, "Charging")], [], None, id="charging to the end"),
        pytest.param([(1, "Charging"), (30, "SuspendedEV")], [], 30, id="suspended by the car"),
        pytest.param([(30, "SuspendedEV"), (1, "Charging")], [], 30, id="told out of order"),
        pytest.param([(1, "Charging"), (30, "SuspendedEV"), (50, "SuspendedEV")], [], 30, id="told twice"),
        pytest.param([(30, "SuspendedEV"), (40, "Charging")], [], None, id="resumed"),
        pytest.param([(30, "SuspendedEV"), (40, "Charging"), (50, "SuspendedEV")], [], 50, id="full after a top-up"),
        pytest.param([(1, "Charging"), (30, "SuspendedEVSE")], [], None, id="suspended by the charge point"),
        pytest.param(
            [(30, "SuspendedEVSE")], [(40, 0, 5000), (50, 0, 5000)], None, id="no power, but by the charge point"
        ),
        pytest.param([(30, "SuspendedEV"), (58, "Finishing")], [], 30, id="Finishing does not end it"),
        pytest.param([(-5, "SuspendedEV"), (90, "SuspendedEV")], [], None, id="before the start, after the end"),
        pytest.param([], [(10, 7000, None), (20, 50, None), (30, 0, None)], 20, id="no power"),
        pytest.param([(1, "Charging")], [(20, 0, None), (30, 0, None)], 20, id="says Charging without power"),
        pytest.param([], [(20, 0, None), (30, 7000, None), (40, 0, None), (50, 0, None)], 40, id="power in between"),
        pytest.param([], [(20, 7000, None), (30, 0, None)], None, id="one reading proves nothing"),
        pytest.param([], [(10, None, 1000), (20, None, 5000), (30, None, 5000), (40, None, 5000)], 20, id="no rise"),
        pytest.param([], [(10, None, 1000), (20, None, 5000), (40, None, 9000)], None, id="rises to the end"),
        pytest.param([], [(10, 0, 1000), (20, 0, 5000), (40, 0, 9000)], None, id="power 0, but the register rises"),
        pytest.param([], [(10, None, 1000), (20, None, 1016), (30, None, 1032)], 10, id="just awake: less than 100 W"),
        pytest.param([(25, "Charging")], [(20, 0, None), (30, 0, None), (40, 0, None)], 30, id="before Charging: no"),
        pytest.param([], [(40, 0, None), (20, 0, None), (30, 0, None)], 20, id="readings out of order"),
        pytest.param([], [(20, None, None), (30, None, None)], None, id="readings of something else"),
    ],
)
def test_full_since(
    statuses: list[tuple[int, str]], readings: list[tuple[int, float | None, float | None]], full_at: int | None
) -> None:
    found = full_since(
        START,
        minute(60),
        [(minute(number), status) for number, status in statuses],
        [Reading(minute(number), power_w, register_wh) for number, power_w, register_wh in readings],
    )
    assert found == (None if full_at is None else minute(full_at))
