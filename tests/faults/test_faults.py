"""The short form of `make test-faults`: a few faults, one after the other, and the same reconciliation."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import migrated
from tests.faults.injections import FAULTS
from tests.faults.run import Outcome, Run
from tests.faults.system import running_beside

CHARGERS = 24
SEED = 7
PACE = 0.3
SHORT = ("worker-killed", "delivered-twice", "answers-lost", "gateway-killed")
"""Those that can be done to a broker and a PostgreSQL which other tests use."""


def short_run(folder: Path, amqp_url: str, postgres_url: str) -> Outcome:
    with ExitStack() as ends:
        database = ends.enter_context(migrated.copied_postgres(migrated.postgres_template(postgres_url)))
        system = ends.enter_context(running_beside(folder, amqp_url, database))
        run = Run(folder, system, CHARGERS, SEED, ends, baseline_s=1.0, pace=PACE)
        run.alone(FAULTS[name] for name in SHORT)
        return run.finish()


@pytest.mark.timeout(180)
def test_charging_survives_faults_with_nothing_lost_doubled_or_wrong(
    tmp_path: Path, amqp_url: str, postgres_url: str
) -> None:
    outcome = short_run(tmp_path / "run", amqp_url, postgres_url)
    assert not [one.error for one in outcome.injections if one.error]
    assert outcome.findings.is_clean, outcome.findings.described()
    assert outcome.findings.transactions > CHARGERS / 2
    assert outcome.findings.meter_values > CHARGERS
    assert outcome.findings.commands > 10
    assert not outcome.tracebacks
