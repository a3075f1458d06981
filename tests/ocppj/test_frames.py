"""The three frames of OCPP-J 1.6 §4.2: what is taken, what is refused and why, and what we send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocppj import frames
from ocppj.errors import ErrorCode, FrameError
from ocppj.frames import Call, CallError, CallResult


def payload_of(frame: Call | CallResult) -> bytes:
    return bytes(frame.payload)


# -- what is taken -----------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP-J 1.6", "4.2.1")
def test_call_keeps_its_payload_untouched():
    frame = frames.decode(b'[2,"19223201","BootNotification",{"chargePointVendor": "VendorX",  "x":1}]')

    assert isinstance(frame, Call)
    assert (frame.unique_id, frame.action) == ("19223201", "BootNotification")
    assert payload_of(frame) == b'{"chargePointVendor": "VendorX",  "x":1}'


@pytest.mark.spec("OCPP-J 1.6", "4.2.2")
def test_call_result():
    frame = frames.decode('[3,"19223201",{"status":"Accepted"}]')

    assert isinstance(frame, CallResult)
    assert frame.unique_id == "19223201"
    assert payload_of(frame) == b'{"status":"Accepted"}'


@pytest.mark.spec("OCPP-J 1.6", "4.2.3")
def test_call_error():
    frame = frames.decode(b'[4,"7","NotSupported","no such thing",{"why":[1]}]')

    assert isinstance(frame, CallError)
    assert (frame.unique_id, frame.code, frame.description) == ("7", "NotSupported", "no such thing")
    assert bytes(frame.details) == b'{"why":[1]}'


@pytest.mark.parametrize(
    ("raw", "unique_id", "payload"),
    [
        pytest.param(b'[2,17,"Heartbeat",{}]', 17, b"{}", id="number as unique id"),
        pytest.param(b'[2,123456789012345678901,"Heartbeat",{}]', 123456789012345678901, b"{}", id="large number"),
        pytest.param(b'[2,"' + b"x" * 300 + b'","Heartbeat",{}]', "x" * 300, b"{}", id="unique id over 36 characters"),
        pytest.param(b'[2,"1","Heartbeat"]', "1", b"{}", id="no payload"),
        pytest.param(b'[2,"1","Heartbeat",null]', "1", b"null", id="null payload, allowed by §4.2.1"),
        pytest.param(b'[2,"1","Heartbeat",{},{"more":1}]', "1", b"{}", id="elements behind the last"),
        pytest.param(b'["2","1","Heartbeat",{}]', "1", b"{}", id="message type as a string"),
        pytest.param(b' [ 2 , "1" , "Heartbeat" , { } ] ', "1", b"{ }", id="white space"),
        pytest.param('[2,"Ü","Heartbeat",{}]', "Ü", b"{}", id="unique id beyond ASCII"),
        pytest.param(b'[2,"","Heartbeat",{}]', "", b"{}", id="empty unique id"),
    ],
)
def test_tolerated_call(raw, unique_id, payload):
    frame = frames.decode(raw)

    assert isinstance(frame, Call)
    assert (frame.unique_id, frame.action) == (unique_id, "Heartbeat")
    assert payload_of(frame) == payload


@pytest.mark.parametrize(
    ("raw", "code", "description", "details"),
    [
        (b'[4,"1"]', "GenericError", "", b"{}"),
        (b'[4,"1","InternalError"]', "InternalError", "", b"{}"),
        (b'[4,"1",null,null,null]', "GenericError", "", b"{}"),
        (b'[4,"1","NoSuchCode",5,"text"]', "NoSuchCode", "5", b'"text"'),
    ],
)
def test_tolerated_call_error(raw, code, description, details):
    frame = frames.decode(raw)

    assert isinstance(frame, CallError)
    assert (frame.unique_id, str(frame.code), frame.description) == ("1", code, description)
    assert bytes(frame.details) == details


def test_call_result_without_payload():
    frame = frames.decode(b'[3,"1"]')

    assert isinstance(frame, CallResult)
    assert payload_of(frame) == b"{}"


# -- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code", "unique_id"),
    [
        pytest.param(b'[2,"1","Heartbeat",{', ErrorCode.FormationViolation, "1", id="cut off"),
        pytest.param(b'[2,"1","Heartbeat",{}] more', ErrorCode.FormationViolation, "1", id="trailing text"),
        pytest.param(b'[2,"1","X",{"a":NaN}]', ErrorCode.FormationViolation, "1", id="NaN is not JSON"),
        pytest.param(b'[2,"1","X",' + b"[" * 100_000, ErrorCode.ProtocolError, "1", id="nested too deeply"),
        pytest.param(b'[2,"1"]', ErrorCode.FormationViolation, "1", id="no action"),
        pytest.param(b'[2,"1",5,{}]', ErrorCode.FormationViolation, "1", id="action is a number"),
        pytest.param(b'[2,null,"Heartbeat",{}]', ErrorCode.TypeConstraintViolation, None, id="null as unique id"),
        pytest.param(b'[2,true,"Heartbeat",{}]', ErrorCode.TypeConstraintViolation, None, id="boolean as unique id"),
    ],
)
def test_malformed_call_carries_the_unique_id_where_it_can_be_read(raw, code, unique_id):
    with pytest.raises(FrameError) as caught:
        frames.decode(raw)

    assert (caught.value.code, caught.value.unique_id, caught.value.is_call) == (code, unique_id, True)


@pytest.mark.parametrize(
    "raw",
    [b"", b"   ", b"{}", b"null", b"[]", b"[2]", b"hello", b'"[2]"', b"[" * 100_000, b"\xff\xfe", b"\x00", "\ud800"],
)
def test_what_is_no_frame_is_no_call(raw):
    with pytest.raises(FrameError) as caught:
        frames.decode(raw)

    assert (caught.value.unique_id, caught.value.is_call) == (None, False)


@pytest.mark.spec("OCPP-J 1.6", "4.1.3")
@pytest.mark.parametrize("message_type", ["1", "5", "-2", "true", "null", "[2]", '"CALL"'])
def test_unknown_message_type_is_no_call(message_type):
    with pytest.raises(FrameError) as caught:
        frames.decode(f'[{message_type},"1","Heartbeat",{{}}]')

    assert caught.value.code == ErrorCode.ProtocolError
    assert not caught.value.is_call


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_but_frame_error_is_raised(raw):
    try:
        frame = frames.decode(raw)
    except FrameError:
        return
    assert isinstance(frame, Call | CallResult | CallError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=6).map(lambda array: frames._encoder.encode(array)))
def test_any_array_is_a_frame_or_a_frame_error(raw):
    try:
        frame = frames.decode(raw)
    except FrameError:
        return
    assert isinstance(frames.decode(frames.encode(frame)), type(frame))


# -- what we send ------------------------------------------------------------------------------------------------


def test_encoded_frames_are_compact():
    assert frames.encode(Call("1", "Heartbeat")) == b'[2,"1","Heartbeat",{}]'
    assert frames.encode(CallResult("1")) == b'[3,"1",{}]'
    assert frames.encode(CallError("1", ErrorCode.NotImplemented, "unknown")) == (
        b'[4,"1","NotImplemented","unknown",{}]'
    )


def test_answer_repeats_a_number_as_a_number():
    assert frames.encode(CallResult(17)) == b"[3,17,{}]"


@pytest.mark.spec("OCPP-J 1.6", "4.2.3")
def test_error_description_is_cut_to_255_characters():
    error = FrameError(ErrorCode.FormationViolation, "x" * 300)

    assert frames.call_error_for(error, "1").description == "x" * 255
