"""What a charge point of the benchmark says, and which answers it takes."""

import json

import pytest

from bench.decode import meter_values_call
from bench.limits import bare_websocket
from bench.mix import BOOT, Mix, answer_call, is_call
from ocppj import frames
from ocppj.v16 import PROTOCOL


def test_every_call_is_valid_in_strict_mode() -> None:
    mix = Mix(1)
    for _ in range(30):
        call = frames.decode(mix.next_call())
        assert isinstance(call, frames.Call)
        decoded = PROTOCOL.decode_request(call.action, call.payload, strict=True)
        assert decoded.notes == ()
        mix.advance()


def test_a_session_is_the_mix_of_the_documentation() -> None:
    mix = Mix(1)
    actions = []
    for _ in range(len(BOOT) + 12):
        actions.append(mix.action)
        mix.advance()
    assert actions[: len(BOOT)] == ["BootNotification", "StatusNotification", "StatusNotification"]
    assert actions[len(BOOT) :] == [
        "Heartbeat", "StatusNotification", "Authorize", "StartTransaction", "StatusNotification",
        *["MeterValues"] * 5, "StopTransaction", "StatusNotification",
    ]  # fmt: skip
    assert mix.is_between_sessions


def test_meter_values_carry_three_samples_and_the_transaction_id_of_the_answer() -> None:
    mix = Mix(7)
    while mix.action != "StartTransaction":
        mix.advance()
    unique_id = json.loads(mix.next_call())[1]
    answer = f'[3,"{unique_id}",{{"transactionId":4711,"idTagInfo":{{"status":"Accepted"}}}}]'
    assert mix.take_answer(answer.encode()) is None
    while mix.action != "MeterValues":
        mix.advance()
    payload = json.loads(mix.next_call())[3]
    assert payload["transactionId"] == 4711
    assert len(payload["meterValue"][0]["sampledValue"]) == 3
    assert b"MeterValues" in meter_values_call()


@pytest.mark.parametrize(
    "answer",
    [
        '[3,"another id",{"currentTime":"2026-01-01T00:00:00Z"}]',
        '[3,"%s",{}]',
        '[3,"%s",{"currentTime":"yesterday"}]',
        '[4,"%s","InternalError","",{}]',
        '[3,"%s"',
        "",
    ],
)
def test_a_wrong_answer_is_an_error(answer: str) -> None:
    mix = Mix(1)
    while mix.action != "Heartbeat":
        mix.advance()
    unique_id = json.loads(mix.next_call())[1]
    assert mix.take_answer(answer.replace("%s", unique_id).encode()) is not None


def test_the_bare_server_answers_every_call_rightly() -> None:
    mix = Mix(1)
    for _ in range(30):
        assert mix.take_answer(bare_websocket.answer(mix.next_call())) is None


def test_calls_of_the_central_system_are_answered() -> None:
    call = b'[2,"0b7a2c4e","RemoteStartTransaction",{"idTag":"anonymous","connectorId":1}]'
    assert is_call(call)
    assert json.loads(answer_call(call)) == [3, "0b7a2c4e", {"status": "Rejected"}]
    assert not is_call(b'[3,"0b7a2c4e",{}]')
