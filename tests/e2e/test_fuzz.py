"""Nothing that a charge point sends stops the central system, or goes unanswered where an answer is due.

``make fuzz`` runs the same for longer (FUZZ_BATCHES).
"""

import os

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.e2e.central_system import Launcher
from tests.e2e.fuzz import Fuzzer, answers, frames, resident_bytes

BATCHES = int(os.environ.get("FUZZ_BATCHES", "60"))
GROWTH_BYTES = 32 << 20
"""What caches may still take once every action has been seen."""


@pytest.mark.spec("OCPP-J 1.6", "4.2")
@pytest.mark.timeout(60 + BATCHES)
def test_every_call_gets_one_answer_whatever_comes(launcher: Launcher, capsys: pytest.CaptureFixture[str]) -> None:
    system = launcher.single()
    fuzzer = Fuzzer(f"{system.url}/FUZZ")
    warm: list[int] = []

    @settings(
        derandomize=BATCHES <= 60,
        database=None,
        deadline=None,
        max_examples=BATCHES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(frames, min_size=20, max_size=40), answers)
    def fuzz(batch: list[str], answer: str) -> None:
        fuzzer.send(batch, answer)
        if not warm and fuzzer.tally.frames > BATCHES * 10:
            warm.append(resident_bytes(system.runcsms.pid))

    try:
        fuzz()
    finally:
        fuzzer.close()
    grown = resident_bytes(system.runcsms.pid) - warm[0]
    with capsys.disabled():
        print(f"\nfuzz: {fuzzer.tally}; crashes 0; memory {grown / 2**20:+.1f} MiB")
    assert system.runcsms.is_running
    assert "Traceback" not in system.runcsms.output()
    assert grown < GROWTH_BYTES
