"""What gateway and worker agree on about the trace of a frame."""

from uuid import UUID, uuid4

from ocppj.envelope import Frame
from ocppj.tracing import Sampling, attributes_of, decoded, name_of, root_span_id

SESSION = UUID(int=7)


def frame(raw: bytes) -> Frame:
    return Frame(UUID(int=1), SESSION, "CP1", 0.0, raw)


def test_of_ratio_1_every_frame_is_traced_and_of_others_their_share():
    ids = [uuid4() for _ in range(4000)]

    assert all(relay_id in Sampling(1) for relay_id in ids)
    # Six standard deviations of a binomial distribution: once in 500 million runs.
    assert 810 < sum(relay_id in Sampling(0.25) for relay_id in ids) < 1190


def test_who_traces_more_frames_traces_those_of_the_others_too():
    ids = [uuid4() for _ in range(1000)]

    assert all(relay_id in Sampling(0.5) for relay_id in ids if relay_id in Sampling(0.1))


def test_ids_are_valid_ones_for_opentelemetry():
    relay_id = UUID("12345678-1234-4234-8234-123456789abc")

    assert root_span_id(relay_id) == 0x8234123456789ABC
    assert root_span_id(UUID("12345678-1234-4234-0000-000000000000")) == 1
    assert UUID(int=0) not in Sampling(1)


def test_a_span_is_named_after_the_action_and_never_after_what_somebody_makes_up():
    names = [
        name_of(decoded(frame(raw)))
        for raw in (
            b'[2,"1","BootNotification",{}]',
            b'[3,"1",{}]',
            b'[4,"1","GenericError","",{}]',
            b"[2",
            b'[2,"1","my password is 1234",{}]',
            b'[2,"1","' + b"A" * 51 + b'",{}]',
        )
    ]

    assert names == [
        "BootNotification frame",
        "CALLRESULT frame",
        "CALLERROR frame",
        "malformed frame",
        "CALL frame",
        "CALL frame",
    ]


def test_attributes_say_whose_frame_it_is_and_nothing_that_is_in_it():
    request = frame(b'[2,"u-1","Authorize",{"idTag":"SECRET"}]')

    assert attributes_of(request, decoded(request)) == {
        "ocpp.charge_point": "CP1",
        "ocpp.session": str(SESSION),
        "ocpp.relay_id": str(UUID(int=1)),
        "ocpp.frame.bytes": 40,
        "ocpp.unique_id": "u-1",
        "ocpp.action": "Authorize",
    }


def test_a_number_as_unique_id_is_taken_and_an_endless_one_left_out():
    for raw, unique_id in ((b'[2,17,"Heartbeat",{}]', "17"), (b"[2," + b"9" * 4000 + b',"Heartbeat",{}]', None)):
        request = frame(raw)
        assert attributes_of(request, decoded(request)).get("ocpp.unique_id") == unique_id
