"""Transaction-related messages are kept, in order, until they are confirmed (OCPP 1.6 §3.7)."""

import pytest

from ocppj.v16 import StartTransactionRequest, StopTransactionRequest
from simulator.outbox import Outbox
from tests.simulator.wire import START

START_MESSAGE = StartTransactionRequest(connector_id=1, id_tag="ABC", meter_start=1, timestamp=START)
STOP_MESSAGE = StopTransactionRequest(meter_stop=2, timestamp=START, transaction_id=1)


def outbox() -> Outbox:
    kept = Outbox()
    kept.add(START_MESSAGE, None)
    kept.add(STOP_MESSAGE, None)
    return kept


@pytest.mark.spec("OCPP 1.6", "3.7")
def test_next_message_waits_until_the_first_is_confirmed():
    kept = outbox()

    assert kept.take(0.0).message is START_MESSAGE
    assert kept.take(0.0) is None
    kept.confirm()
    assert kept.take(0.0).message is STOP_MESSAGE
    kept.confirm()
    assert len(kept) == 0
    assert kept.next_timeout() is None


@pytest.mark.spec("OCPP 1.6", "3.7.1")
def test_retry_waits_for_the_interval_times_the_transmissions():
    kept = outbox()

    kept.take(1000.0)
    assert kept.fail(1001.0, attempts=3, retry_interval_s=60.0) is None
    assert (kept.take(1060.9), kept.next_timeout()) == (None, 1061.0)
    assert kept.take(1061.0).message is START_MESSAGE
    assert kept.fail(1062.0, attempts=3, retry_interval_s=60.0) is None
    assert kept.next_timeout() == 1182.0
    kept.take(1182.0)
    discarded = kept.fail(1183.0, attempts=3, retry_interval_s=60.0)

    assert (discarded.message, discarded.failures) == (START_MESSAGE, 3)
    assert kept.take(1183.0).message is STOP_MESSAGE


def test_a_lost_connection_is_no_failed_attempt():
    kept = outbox()
    for _ in range(10):
        assert kept.take(0.0).failures == 0
        kept.give_back()

    assert len(kept) == 2
