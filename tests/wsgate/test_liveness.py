"""When to ping, and when to give up: by the settings that came with the acceptance."""

from ocppj.envelope import SessionSettings
from wsgate.liveness import Liveness, Verdict


def liveness(ping: float | None = None, silence: float | None = None) -> Liveness:
    return Liveness(SessionSettings(ping_interval_s=ping, silence_timeout_s=silence))


def test_ping_is_due_after_an_interval_without_a_sign_of_life():
    line = liveness(ping=30)

    assert line.next_check(heard_at=100) == 130
    assert line.check(now=129.9, heard_at=100) is Verdict.alive
    assert line.check(now=130, heard_at=100) is Verdict.ping


def test_whatever_comes_puts_the_ping_off():
    line = liveness(ping=30)

    assert line.check(now=130, heard_at=120) is Verdict.alive
    assert line.next_check(heard_at=120) == 150


def test_nothing_at_all_within_an_interval_after_the_ping_is_fatal():
    line = liveness(ping=30)
    line.check(now=130, heard_at=100)

    assert line.next_check(heard_at=100) == 160
    assert line.check(now=159.9, heard_at=100) is Verdict.alive
    verdict = line.check(now=160, heard_at=100)
    assert verdict is Verdict.dead
    assert verdict.is_fatal


def test_any_sign_of_life_after_the_ping_will_do():
    line = liveness(ping=30)
    line.check(now=130, heard_at=100)

    assert line.check(now=160, heard_at=131) is Verdict.alive
    assert line.check(now=161, heard_at=131) is Verdict.ping


def test_without_pings_only_the_silence_counts():
    line = liveness(silence=900)

    assert line.next_check(heard_at=100) == 1000
    assert line.check(now=999, heard_at=100) is Verdict.alive
    verdict = line.check(now=1000, heard_at=100)
    assert verdict is Verdict.silent
    assert verdict.is_fatal


def test_with_neither_nothing_is_ever_due():
    line = liveness()

    assert line.next_check(heard_at=100) is None
    assert line.check(now=1e9, heard_at=100) is Verdict.alive
