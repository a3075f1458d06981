"""One connection as a state machine: two rules of OCPP-J 1.6 §4.1.1, timeouts, late answers, and the end."""

import pytest

from ocppj.errors import SessionError
from ocppj.session import (
    REMEMBERED_CALLS,
    AnswerReceived,
    CallDropped,
    CallExpired,
    CallReceived,
    CallTimedOut,
    CallWritten,
    OutboundCall,
    Session,
    UnexpectedReceived,
)

HEARTBEAT_1 = b'[2,"1","Heartbeat",{}]'
HEARTBEAT_2 = b'[2,"2","Heartbeat",{}]'
ANSWER_1 = b'[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'


def outbound(unique_id: str, **kwargs) -> OutboundCall:
    return OutboundCall(
        unique_id, f'[2,"{unique_id}","Reset",{{"type":"Soft"}}]'.encode(), **{"timeout_s": 30, **kwargs}
    )


def answer_to(unique_id: str) -> bytes:
    return f'[3,"{unique_id}",{{"status":"Accepted"}}]'.encode()


# -- the peer's CALLs --------------------------------------------------------------------------------------------


def test_call_is_handed_out_and_its_answer_sent():
    session = Session()

    [event] = session.receive(HEARTBEAT_1, now=5.0)

    assert isinstance(event, CallReceived)
    assert (event.unique_id, event.raw, event.received_at) == ("1", HEARTBEAT_1, 5.0)
    assert event.call is not None
    assert event.call.action == "Heartbeat"
    assert session.answer(ANSWER_1, now=5.1) == []
    assert session.data_to_send() == [ANSWER_1]
    assert session.data_to_send() == [], "each message is given out once"


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
def test_second_call_of_the_peer_waits_for_the_answer_to_its_first():
    session = Session()
    session.receive(HEARTBEAT_1, now=0)

    assert session.receive(HEARTBEAT_2, now=1) == []
    [event] = session.answer(ANSWER_1, now=2)

    assert isinstance(event, CallReceived)
    assert (event.unique_id, event.received_at) == ("2", 1)


def test_calls_are_handed_out_in_the_order_in_which_they_came():
    session = Session()
    for number in range(10):
        session.receive(f'[2,"{number}","Heartbeat",{{}}]', now=number)

    order = ["0"]
    while events := session.answer(None, now=20):
        [event] = events
        order.append(event.unique_id)

    assert order == [str(number) for number in range(10)]
    assert not session.is_answering


def test_call_without_an_answer_makes_room_for_the_next():
    session = Session()
    session.receive(HEARTBEAT_1, now=0)
    session.receive(HEARTBEAT_2, now=0)

    [event] = session.answer(None, now=1)

    assert event.unique_id == "2"
    assert session.data_to_send() == []


def test_malformed_call_takes_its_turn_and_says_what_is_wrong():
    session = Session()

    [event] = session.receive(b'[2,"1","Heartbeat",{', now=0)

    assert isinstance(event, CallReceived)
    assert event.call is None
    assert event.error is not None
    assert event.error.code == "FormationViolation"
    assert session.is_answering


@pytest.mark.parametrize("raw", [b"", b"garbage", b'[9,"1",{}]', b'[2,null,"Heartbeat",{}]', b"\xff", "\ud800"])
def test_what_cannot_be_answered_is_reported_and_forgotten(raw):
    session = Session()

    [event] = session.receive(raw, now=0)

    assert isinstance(event, UnexpectedReceived)
    assert not session.is_answering
    assert session.data_to_send() == []


def test_a_second_answer_to_the_same_call_is_our_own_mistake():
    session = Session()
    session.receive(HEARTBEAT_1, now=0)
    session.answer(ANSWER_1, now=1)

    with pytest.raises(SessionError, match="answered once"):
        session.answer(ANSWER_1, now=2)


def test_full_by_number_until_an_answer_makes_room():
    session = Session(max_waiting_calls=2)
    for number in range(3):
        assert not session.is_full
        session.receive(f'[2,"{number}","Heartbeat",{{}}]', now=0)
    assert session.is_full

    session.answer(None, now=1)

    assert not session.is_full


def test_full_by_size_until_an_answer_makes_room():
    session = Session(max_waiting_bytes=100)
    large = b'[2,"2","DataTransfer",{"vendorId":"v","data":"' + b"x" * 100 + b'"}]'
    session.receive(HEARTBEAT_1, now=0)
    assert not session.is_full

    session.receive(large, now=0)
    assert session.is_full

    session.answer(None, now=1)
    assert not session.is_full


# -- our CALLs ---------------------------------------------------------------------------------------------------


def test_call_of_ours_is_written_at_once():
    session = Session()

    assert session.call(outbound("a"), now=0) == [CallWritten("a")]
    assert session.data_to_send() == [b'[2,"a","Reset",{"type":"Soft"}]']
    assert session.outstanding == "a"


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
def test_second_call_of_ours_waits_for_the_answer_to_the_first():
    session = Session()
    session.call(outbound("a"), now=0)

    assert session.call(outbound("b"), now=1) == []
    assert session.waiting == ("b",)
    answered, written = session.receive(answer_to("a"), now=2)

    assert isinstance(answered, AnswerReceived)
    assert (answered.unique_id, answered.late, answered.written_at) == ("a", False, 0)
    assert written == CallWritten("b")


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
def test_second_call_of_ours_goes_out_after_the_timeout_of_the_first():
    session = Session()
    session.call(outbound("a", timeout_s=30), now=0)
    session.call(outbound("b"), now=1)

    assert session.next_timeout() == 30
    assert session.tick(29.9) == []
    assert session.tick(30) == [CallTimedOut("a"), CallWritten("b")]


def test_answers_pass_while_a_call_of_the_peer_waits():
    session = Session()
    session.call(outbound("a"), now=0)
    session.receive(HEARTBEAT_1, now=0)
    session.receive(HEARTBEAT_2, now=0)

    [event] = session.receive(answer_to("a"), now=1)

    assert isinstance(event, AnswerReceived)


def test_late_answer_is_known_as_late_once():
    session = Session()
    session.call(outbound("a", timeout_s=10), now=0)
    session.tick(10)

    [late] = session.receive(answer_to("a"), now=12)
    [again] = session.receive(answer_to("a"), now=13)

    assert isinstance(late, AnswerReceived)
    assert (late.late, late.written_at) == (True, 0)
    assert isinstance(again, UnexpectedReceived)


def test_call_error_is_an_answer_as_well():
    session = Session()
    session.call(outbound("a"), now=0)

    [event] = session.receive(b'[4,"a","NotSupported","",{}]', now=1)

    assert isinstance(event, AnswerReceived)
    assert session.outstanding is None


def test_answer_that_repeats_the_unique_id_as_a_number_is_recognized():
    session = Session()
    session.call(outbound("17"), now=0)

    [event] = session.receive(b"[3,17,{}]", now=1)

    assert isinstance(event, AnswerReceived)


@pytest.mark.parametrize("raw", [answer_to("unknown"), b'[4,"1","InternalError","",{}]'])
def test_answer_to_no_call_of_ours_is_unexpected(raw):
    session = Session()
    session.call(outbound("a"), now=0)

    [event] = session.receive(raw, now=1)

    assert isinstance(event, UnexpectedReceived)
    assert session.outstanding == "a"


def test_call_that_is_handed_in_twice_is_written_once():
    session = Session()
    session.call(outbound("a"), now=0)
    session.receive(answer_to("a"), now=1)

    assert session.has_seen("a")
    assert not session.has_seen("b")
    assert session.call(outbound("a"), now=2) == []
    assert session.waiting == ()


def test_memory_of_our_own_unique_ids_is_bounded():
    session = Session()
    for number in range(REMEMBERED_CALLS + 1):
        session.call(outbound(str(number)), now=0)
        session.receive(answer_to(str(number)), now=0)

    assert session.call(outbound("0"), now=1) == [CallWritten("0")]
    assert session.call(outbound(str(REMEMBERED_CALLS)), now=1) == []


def test_waiting_call_is_never_forgotten_however_many_wait():
    session = Session()
    numbers = [str(number) for number in range(REMEMBERED_CALLS * 2)]
    for _ in range(2):
        for number in numbers:
            session.call(outbound(number), now=0)

    assert session.waiting == tuple(numbers[1:])


def test_delayed_call_does_not_hold_up_those_behind_it():
    session = Session()

    assert session.call(outbound("later", not_before=5), now=0) == []
    assert session.next_timeout() == 5
    assert session.call(outbound("now"), now=1) == [CallWritten("now")]
    session.receive(answer_to("now"), now=2)
    assert session.tick(4.9) == []
    assert session.tick(5) == [CallWritten("later")]


def test_call_that_is_too_old_when_its_turn_comes_is_not_written():
    session = Session()
    session.call(outbound("a", timeout_s=30), now=0)
    session.call(outbound("old", expires_at=20), now=0)
    session.call(outbound("b"), now=0)

    assert session.tick(30) == [CallTimedOut("a"), CallExpired("old"), CallWritten("b")]


def test_cancelled_call_is_not_written():
    session = Session()
    session.call(outbound("a"), now=0)
    session.call(outbound("b"), now=0)

    assert session.cancel("b") is True
    assert session.cancel("b") is False
    assert session.cancel("a") is False, "it has been written"
    [event] = session.receive(answer_to("a"), now=1)
    assert isinstance(event, AnswerReceived)


def test_call_that_was_cancelled_before_it_came_is_ignored():
    session = Session()

    assert session.cancel("a") is True
    assert session.call(outbound("a"), now=0) == []
    assert session.data_to_send() == []


def test_nothing_is_due_while_nothing_is_queued():
    session = Session()

    assert session.next_timeout() is None
    assert session.tick(100) == []


# -- the end -----------------------------------------------------------------------------------------------------


def test_close_says_what_became_of_our_calls():
    session = Session()
    session.call(outbound("written"), now=0)
    session.call(outbound("waiting"), now=0)
    session.receive(HEARTBEAT_1, now=0)

    assert session.close() == [CallDropped("written", written=True), CallDropped("waiting", written=False)]
    assert session.data_to_send() == []
    assert session.close() == [], "the second time there is nothing left to say"


def test_after_close_nothing_is_taken_and_nothing_is_due():
    session = Session()
    session.close()

    assert session.receive(HEARTBEAT_1, now=1) == []
    assert not session.is_answering
    assert session.next_timeout() is None


# -- both ends -----------------------------------------------------------------------------------------------------


def test_two_sessions_back_to_back():
    """The gateway's end and the charge point's: CALLs cross each other, each side has one outstanding at a time."""
    central_system, charge_point = Session(), Session()
    for number in range(3):
        central_system.call(outbound(f"cs{number}"), now=0)
        charge_point.call(OutboundCall(f"cp{number}", f'[2,"cp{number}","Heartbeat",{{}}]'.encode(), 30), now=0)
    handled: list[str] = []
    answered: list[str] = []

    def exchange(sender: Session, receiver: Session) -> bool:
        data = sender.data_to_send()
        for message in data:
            events = receiver.receive(message, now=1)
            for event in events:
                if isinstance(event, CallReceived):
                    handled.append(str(event.unique_id))
                    receiver.answer(answer_to(str(event.unique_id)), now=1)
                elif isinstance(event, AnswerReceived):
                    answered.append(event.unique_id)
        return bool(data)

    while exchange(central_system, charge_point) | exchange(charge_point, central_system):
        pass

    assert sorted(handled) == sorted(answered) == ["cp0", "cp1", "cp2", "cs0", "cs1", "cs2"]
    assert [name for name in handled if name.startswith("cs")] == ["cs0", "cs1", "cs2"]
