"""Which profile prevails, when, and with what limit (OCPP 1.6 §3.13, §7.8, §7.13)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ocppj.v16 import (
    ChargingProfile,
    ChargingProfileStatus,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearChargingProfileRequest,
)
from simulator.smart_charging import ChargingProfiles, Limit
from tests.simulator.wire import START


def profiles() -> ChargingProfiles:
    return ChargingProfiles(max_stack_level=10, max_periods=5, max_installed=4)


def profile(
    *limits: float, purpose: str = "TxDefaultProfile", unit: str = "W", number: int = 1, **fields
) -> ChargingProfile:
    """A profile whose limits change every hour."""
    schedule = {name: fields.pop(name) for name in ("duration", "start_schedule") if name in fields}
    phases = fields.pop("number_phases", None)
    periods = [
        ChargingSchedulePeriod(start_period=3600 * hour, limit=Decimal(str(limit)), number_phases=phases)
        for hour, limit in enumerate(limits)
    ]
    kind = "Absolute" if "start_schedule" in schedule else "Relative"
    return ChargingProfile(
        charging_profile_id=number,
        charging_profile_purpose=purpose,
        charging_schedule=ChargingSchedule(charging_rate_unit=unit, charging_schedule_period=periods, **schedule),
        **{"stack_level": 0, "charging_profile_kind": kind} | fields,
    )


def limit_after(installed: ChargingProfiles, hours: float, phases: int = 1) -> float | None:
    return installed.connector_limit(1, START + timedelta(hours=hours), START, phases).power_w


def test_without_profiles_there_is_no_limit():
    assert profiles().connector_limit(1, START, START, 1) == Limit(None)


@pytest.mark.spec("OCPP 1.6", "7.9")
def test_relative_schedule_counts_from_the_start_of_charging_and_says_until_when_it_holds():
    installed = profiles()
    installed.set(1, profile(1000, 2000, 3000), START)

    assert [limit_after(installed, hours) for hours in (0, 0.99, 1, 2, 100)] == [1000, 1000, 2000, 3000, 3000]
    assert installed.connector_limit(1, START, START, 1).until == START + timedelta(hours=1)
    assert installed.connector_limit(1, START + timedelta(hours=2), START, 1).until is None


@pytest.mark.spec("OCPP 1.6", "5.16.4")
def test_last_period_holds_until_the_duration_ends():
    installed = profiles()
    installed.set(1, profile(1000, 2000, duration=3 * 3600), START)

    assert [limit_after(installed, hours) for hours in (2.9, 3)] == [2000, None]


@pytest.mark.spec("OCPP 1.6", "3.13.2")
def test_higher_stack_level_prevails_while_it_is_valid():
    installed = profiles()
    installed.set(1, profile(1000), START)
    valid = {"valid_from": START + timedelta(hours=1), "valid_to": START + timedelta(hours=2)}
    installed.set(1, profile(5000, number=2, stack_level=1, **valid), START)

    assert [limit_after(installed, hours) for hours in (0.5, 1, 1.99, 2)] == [1000, 5000, 5000, 1000]
    assert installed.connector_limit(1, START, START, 1).until == START + timedelta(hours=1)


@pytest.mark.spec("OCPP 1.6", "7.37")
def test_daily_schedule_restarts_every_24_hours():
    installed = profiles()
    recurring = {"charging_profile_kind": "Recurring", "recurrency_kind": "Daily"}
    start = START - timedelta(days=30)
    installed.set(1, profile(1000, 2000, start_schedule=start, duration=7200, **recurring), START)

    hours = (0, 1, 2, 23.9, 24, 25, 26)
    assert [limit_after(installed, hour) for hour in hours] == [1000, 2000, None, None, 1000, 2000, None]
    after = installed.connector_limit(1, START + timedelta(hours=3), START, 1)
    assert after == Limit(None, START + timedelta(hours=24))


def test_absolute_schedule_has_no_effect_before_its_start():
    installed = profiles()
    installed.set(1, profile(1000, start_schedule=START + timedelta(hours=1)), START)

    assert [limit_after(installed, hours) for hours in (0.9, 1)] == [None, 1000]


@pytest.mark.spec("OCPP 1.6", "3.13.1")
def test_tx_profile_overrules_the_default_and_a_connectors_default_that_of_all():
    installed = profiles()
    installed.set(0, profile(1000), START)
    assert limit_after(installed, 0) == 1000
    installed.set(1, profile(2000, number=2), START)
    assert limit_after(installed, 0) == 2000
    assert installed.connector_limit(2, START, START, 1).power_w == 1000
    installed.set(1, profile(3000, number=3, purpose="TxProfile"), START)
    assert limit_after(installed, 0) == 3000
    installed.end_transaction(1)
    assert limit_after(installed, 0) == 2000


@pytest.mark.spec("OCPP 1.6 errata", "3.34")
@pytest.mark.parametrize(
    ("number_phases", "phases", "expected"), [(None, 3, 6900), (None, 1, 2300), (1, 3, 2300), (3, 1, 2300)]
)
def test_ampere_are_per_phase_of_those_that_are_there(number_phases, phases, expected):
    installed = profiles()
    installed.set(1, profile(10, unit="A", number_phases=number_phases), START)

    assert limit_after(installed, 0, phases) == expected


@pytest.mark.spec("OCPP 1.6", "5.16.3")
def test_same_id_or_same_place_is_replaced():
    installed = profiles()
    installed.set(1, profile(1000, number=1), START)
    installed.set(1, profile(2000, number=1, stack_level=3), START)
    installed.set(1, profile(3000, number=2, stack_level=3), START)

    assert [one.profile.charging_profile_id for one in installed.installed] == [2]


def test_no_more_than_can_be_installed():
    installed = profiles()
    statuses = [installed.set(1, profile(1000, number=n, stack_level=n), START) for n in range(5)]

    assert statuses == [ChargingProfileStatus.Accepted] * 4 + [ChargingProfileStatus.Rejected]
    assert installed.set(1, profile(*[1000] * 6, number=0), START) == ChargingProfileStatus.Rejected


@pytest.mark.spec("OCPP 1.6 errata", "3.25")
@pytest.mark.parametrize(
    ("request_fields", "left"),
    [
        ({}, []),
        ({"id": 1}, [2, 3]),
        ({"id": 1, "connector_id": 99}, [2, 3]),
        ({"connector_id": 0}, [1, 2]),
        ({"stack_level": 1, "connector_id": 1}, [1, 3]),
        ({"charging_profile_purpose": "TxDefaultProfile"}, [3]),
        ({"stack_level": 9}, [1, 2, 3]),
    ],
)
def test_clear_matches_all_given_fields_but_an_id_alone(request_fields, left):
    installed = profiles()
    installed.set(1, profile(1000, number=1), START)
    installed.set(1, profile(2000, number=2, stack_level=1), START)
    installed.set(0, profile(3000, number=3, purpose="ChargePointMaxProfile"), START)

    found = installed.clear(ClearChargingProfileRequest(**request_fields))

    assert [one.profile.charging_profile_id for one in installed.installed] == left
    assert found == (len(left) < 3)
