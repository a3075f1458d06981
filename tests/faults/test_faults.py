"""The short form of `make test-faults`: a few faults, one after the other, and the same reconciliation."""

from pathlib import Path

import pytest

from scripts.services.errors import ServiceMissing
from tests import services
from tests.faults.injections import FAULTS
from tests.faults.run import Outcome, faults_run

CHARGERS = 24
SEED = 7
SHORT = ("worker-killed", "delivered-twice", "answers-lost", "connections-dropped", "gateway-killed")


def short_run(folder: Path, *faults: str, guard_off: str = "") -> Outcome:
    try:
        with faults_run(folder, CHARGERS, SEED, guard_off, baseline_s=2.0) as run:
            run.alone(FAULTS[name] for name in faults)
            return run.finish()
    except ServiceMissing as error:
        return services.give_up(str(error))  # type: ignore[return-value]


@pytest.mark.timeout(180)
def test_charging_survives_faults_with_nothing_lost_doubled_or_wrong(tmp_path: Path) -> None:
    outcome = short_run(tmp_path / "run", *SHORT)
    assert not [one.error for one in outcome.injections if one.error]
    assert outcome.findings.is_clean, outcome.findings.described()
    assert outcome.findings.transactions > CHARGERS / 2
    assert outcome.findings.meter_values > CHARGERS
    assert outcome.findings.commands > 10
    assert not outcome.tracebacks
