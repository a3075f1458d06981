"""The contract between gateway and worker: golden bytes of each version, and what a receiver bears."""

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocppj import envelope
from ocppj.envelope import (
    Announce,
    AnnounceReply,
    ClientCertificate,
    CloseSession,
    Command,
    CommandFinished,
    CommandReport,
    Connect,
    ConnectReply,
    Disconnect,
    Done,
    Frame,
    FrameReply,
    Incident,
    SessionSettings,
    ToBackend,
    ToGateway,
)
from ocppj.errors import EnvelopeError

R = UUID("00112233-4455-6677-8899-aabbccddeeff")
S = UUID("ffeeddcc-bbaa-9988-7766-554433221100")
R_HEX, S_HEX = "c410" + R.hex, "c410" + S.hex
CP001, AT = "a54350303031", "cb41da556e40200000"

# What processes of version 1 put on the wire. These bytes never change: a worker must read them for ever after. A kind
# of item to which a field was appended gets new bytes here, and its old ones stay below.
TO_BACKEND_V1 = {
    "connect": (
        Connect(
            R,
            S,
            "CP001",
            1767225600.5,
            "10.0.0.7",
            "/ocpp/CP001",
            "ocpp1.6",
            "CP001",
            b"\x00\xff",
            "Firmware/1",
            True,
            ClientCertificate(("SN001",), ("Operator",), "0A", "ab"),
        ),
        f"9da7636f6e6e656374{R_HEX}{S_HEX}{CP001}{AT}a831302e302e302e37ab2f6f6370702f4350303031a76f637070312e36"
        f"{CP001}c40200ffaa4669726d776172652f31c39491a5534e30303191a84f70657261746f72a23041a26162",
    ),
    "frame": (
        Frame(R, S, "CP001", 1767225600.5, b'[2,"1","Heartbeat",{}]', True, 0.25),
        f"98a56672616d65{R_HEX}{S_HEX}{CP001}{AT}c4165b322c2231222c22486561727462656174222c7b7d5dc3cb3fd0000000000000",
    ),
    "disconnect": (
        Disconnect(R, S, "CP001", 1767225600.5, 1000, "bye", ("a",), ("b",)),
        f"99aa646973636f6e6e656374{R_HEX}{S_HEX}{CP001}{AT}cd03e8a362796591a16191a162",
    ),
    "command report": (
        CommandReport(R, S, "CP001", 1767225600.5, "a", "sent"),
        f"97a7636f6d6d616e64{R_HEX}{S_HEX}{CP001}{AT}a161a473656e74",
    ),
    "announce": (
        Announce(R, 1767225600.5, 2, (S,), True, (Incident("slow_handshake", "192.0.2.7", "CP001", 3),)),
        f"97a8616e6e6f756e6365{R_HEX}{AT}0291{S_HEX}c39194ae736c6f775f68616e647368616b65a93139322e302e322e37{CP001}03",
    ),
}
OLDER_TO_BACKEND_V1 = {
    "connect without certificate": (
        Connect(
            R, S, "CP001", 1767225600.5, "10.0.0.7", "/ocpp/CP001", "ocpp1.6", "CP001", b"\x00\xff", "Firmware/1", True
        ),
        f"9ca7636f6e6e656374{R_HEX}{S_HEX}{CP001}{AT}a831302e302e302e37ab2f6f6370702f4350303031a76f637070312e36"
        f"{CP001}c40200ffaa4669726d776172652f31c3",
    ),
    "announce without incidents": (
        Announce(R, 1767225600.5, 2, (S,), True),
        f"96a8616e6e6f756e6365{R_HEX}{AT}0291{S_HEX}c3",
    ),
}
TO_GATEWAY_V1 = {
    "connect": (
        ConnectReply(R, True, 101, "welcome", SessionSettings(None, 900.0, 65536)),
        f"96a7636f6e6e656374{R_HEX}c365a777656c636f6d6593c0cb408c200000000000ce00010000",
    ),
    "frame": (FrameReply(R, b'[3,"1",{}]'), f"93a56672616d65{R_HEX}c40a5b332c2231222c7b7d5d"),
    "done": (Done(R), f"92a4646f6e65{R_HEX}"),
    "announce": (AnnounceReply(R, True), f"93a8616e6e6f756e6365{R_HEX}c3"),
    "command": (
        Command(S, "CP001", "a", b'[2,"a","Reset",{"type":"Soft"}]', 30.0, 1.5, 1767225700.0, True),
        f"99a463616c6c{S_HEX}{CP001}a161c41f5b322c2261222c225265736574222c7b2274797065223a22536f6674227d5d"
        "cb403e000000000000cb3ff8000000000000cb41da556e59000000c3",
    ),
    "close": (CloseSession(S, 1008, "no"), f"94a5636c6f7365{S_HEX}cd03f0a26e6f"),
    "finished": (CommandFinished("a"), "92a866696e6973686564a161"),
}
OLDER_TO_GATEWAY_V1 = {
    "command without cancel": (
        Command(S, "CP001", "a", b'[2,"a","Reset",{"type":"Soft"}]', 30.0, 1.5, 1767225700.0),
        f"98a463616c6c{S_HEX}{CP001}a161c41f5b322c2261222c225265736574222c7b2274797065223a22536f6674227d5d"
        "cb403e000000000000cb3ff8000000000000cb41da556e59000000",
    ),
}
HEAD_TO_BACKEND, HEAD_TO_GATEWAY = "9401a467772d31a77265706c69657391", "920191"


@pytest.mark.parametrize(("request_", "golden"), TO_BACKEND_V1.values(), ids=TO_BACKEND_V1)
def test_golden_bytes_to_backend_version_1(request_, golden):
    message = ToBackend(1, "gw-1", "replies", (request_,))
    data = bytes.fromhex(HEAD_TO_BACKEND + golden)

    assert envelope.encode(message).hex() == data.hex()
    assert envelope.decode_to_backend(data) == message


@pytest.mark.parametrize(("item", "golden"), TO_GATEWAY_V1.values(), ids=TO_GATEWAY_V1)
def test_golden_bytes_to_gateway_version_1(item, golden):
    message = ToGateway(1, (item,))
    data = bytes.fromhex(HEAD_TO_GATEWAY + golden)

    assert envelope.encode(message).hex() == data.hex()
    assert envelope.decode_to_gateway(data) == message


@pytest.mark.parametrize(("item", "golden"), OLDER_TO_GATEWAY_V1.values(), ids=OLDER_TO_GATEWAY_V1)
def test_bytes_from_before_a_field_was_appended_are_still_read(item, golden):
    assert envelope.decode_to_gateway(bytes.fromhex(HEAD_TO_GATEWAY + golden)) == ToGateway(1, (item,))


@pytest.mark.parametrize(("request_", "golden"), OLDER_TO_BACKEND_V1.values(), ids=OLDER_TO_BACKEND_V1)
def test_requests_from_before_a_field_was_appended_are_still_read(request_, golden):
    data = bytes.fromhex(HEAD_TO_BACKEND + golden)
    assert envelope.decode_to_backend(data) == ToBackend(1, "gw-1", "replies", (request_,))


def test_every_kind_of_item_has_its_golden_bytes():
    assert {type(request) for request, _ in TO_BACKEND_V1.values()} == set(envelope.Request.__args__)
    assert {type(item) for item, _ in TO_GATEWAY_V1.values()} == set(envelope.Reply.__args__)


def test_the_golden_bytes_are_those_of_the_current_version():
    assert envelope.VERSION == 1, "keep these bytes, and add those of the new version beside them"
    assert {1} <= envelope.ACCEPTED_VERSIONS


@pytest.mark.parametrize(("request_", "golden"), TO_BACKEND_V1.values(), ids=TO_BACKEND_V1)
def test_what_a_newer_sender_appended_is_ignored(request_, golden):
    fields = msgspec.msgpack.decode(bytes.fromhex(golden))
    data = msgspec.msgpack.encode([1, "gw-1", "replies", [[*fields, "new", {"field": 1}]], "new as well"])

    assert envelope.decode_to_backend(data) == ToBackend(1, "gw-1", "replies", (request_,))


def test_fields_with_a_default_may_be_missing():
    data = msgspec.msgpack.encode([1, "gw-1", "replies", [["frame", R.bytes, S.bytes, "CP001", 1.5, b"[]"]]])

    assert envelope.decode_to_backend(data).requests == (Frame(R, S, "CP001", 1.5, b"[]", late=False, latency_s=None),)


@pytest.mark.parametrize("decode", [envelope.decode_to_backend, envelope.decode_to_gateway])
def test_unknown_version_says_which_one_and_what_to_do(decode):
    known = envelope.encode(ToBackend(1, "gw-1", "replies", ()))
    newer_kind_of_item = msgspec.msgpack.encode([7, "gw-1", "replies", [["not yet invented", 1]]])

    with pytest.raises(EnvelopeError, match=r"version 7.*upgrade") as caught:
        decode(newer_kind_of_item)
    assert caught.value.version == 7
    if decode is envelope.decode_to_backend:
        with pytest.raises(EnvelopeError, match=r"version 7.*upgrade"):
            decode(known.replace(b"\x94\x01", b"\x94\x07", 1))


def test_damaged_envelope_of_a_known_version_says_so():
    whole = envelope.encode(ToGateway(1, (Done(R),)))

    with pytest.raises(EnvelopeError, match="version 1 is damaged") as caught:
        envelope.decode_to_gateway(msgspec.msgpack.encode([1, [["done", "no UUID"]]]))
    assert caught.value.version == 1
    with pytest.raises(EnvelopeError) as caught:
        envelope.decode_to_gateway(whole[:-3])
    assert caught.value.version is None


@given(st.binary(max_size=100))
def test_anything_else_is_no_envelope(data):
    for decode in (envelope.decode_to_backend, envelope.decode_to_gateway):
        try:
            decode(data)
        except EnvelopeError:
            continue
        pytest.fail(f"{data!r} was taken for an envelope")
