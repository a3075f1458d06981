"""The opening handshake: identity, subprotocol, credentials, and every way to be refused."""

import asyncio
import base64
import contextlib

import pytest
from websockets.exceptions import InvalidStatus

from ocppj.envelope import Announce, Connect, ConnectReply, Disconnect, SessionSettings
from tests.wsgate.site import HEARTBEAT, PATIENCE_S, Backend, Site, closed, receive, running_site, until
from wsgate.errors import HandshakeRefused
from wsgate.handshake import parse_basic, parse_identity

UPGRADE = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n"
)


async def http(site: Site, request: str) -> tuple[str, dict[str, str], str]:
    """Status line, headers and body of the answer to these very bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        writer.write(request.encode())
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return status, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


async def refusal(site: Site, path: str = "/ocpp/CP001", **kwargs) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        await site.connect(path, **kwargs)
    return caught.value


# -- identity -------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP-J 1.6", "3.1.1")
@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("/ocpp/CP001", "CP001"),
        ("/ocppj/RDAM%20123", "RDAM 123"),
        ("/ws/CP001", "CP001"),
        ("/CP001", "CP001"),
        ("/a/very/long/prefix/CP001", "CP001"),
        ("/ocpp/CP001/", "CP001"),
        ("/ocpp/CP001?token=1/2", "CP001"),
        ("/ocpp/CP%2F001", "CP/001"),
        ("/ocpp/Stra%C3%9Fe%2B1", "Straße+1"),
        ("/ocpp/CP+001", "CP+001"),
        ("/ocpp/" + "x" * 255, "x" * 255),
    ],
)
def test_identity_is_the_last_segment_of_the_path(path, identity):
    assert parse_identity(path) == identity


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("", 404),
        ("//", 404),
        ("/?x=/CP001", 404),
        ("/ocpp/%20", 404),
        ("/ocpp/" + "x" * 256, 400),
        ("/ocpp/CP%00001", 400),
        ("/ocpp/CP%0A001", 400),
        ("/ocpp/CP%1B[31m", 400),
        ("/ocpp/CP%E2%80%AE001", 400),
        ("/ocpp/CP%FF", 400),
        ("/ocpp/..", 400),
        ("/ocpp/%2E%2E", 400),
    ],
)
def test_what_cannot_be_an_identity_is_refused(path, status):
    with pytest.raises(HandshakeRefused) as caught:
        parse_identity(path)

    assert caught.value.status == status


@pytest.mark.spec("OCPP-J 1.6", "3.1.1")
async def test_backend_is_asked_for_the_decoded_identity():
    async with running_site() as site, site.connect("/ocppj/RDAM%20123/", user_agent_header="Firmware/1.2"):
        connect = await site.backend.one(Connect)

    assert connect.identity == "RDAM 123"
    assert (connect.path, connect.remote_address) == ("/ocppj/RDAM%20123/", "127.0.0.1")
    assert (connect.subprotocol, connect.user_agent, connect.secure) == ("ocpp1.6", "Firmware/1.2", False)
    assert (connect.username, connect.password) == (None, None)


async def test_path_without_identity_is_answered_with_404_and_a_text():
    async with running_site() as site:
        error = await refusal(site, "/")

    assert error.response.status_code == 404
    assert b"/ocpp/CP001" in error.response.body
    assert site.backend.all(Connect) == []


# -- subprotocol ----------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP-J 1.6", "3.2")
@pytest.mark.parametrize("offered", [["ocpp1.6"], ["ocpp2.0.1", "ocpp1.6"], ["ocpp1.6", "ocpp1.5"]])
async def test_ocpp16_is_chosen_where_it_is_offered(offered):
    async with running_site() as site, site.connect(subprotocols=offered) as charge_point:
        assert charge_point.subprotocol == "ocpp1.6"
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'


async def test_client_that_offers_no_subprotocol_is_taken():
    async with running_site() as site, site.connect(subprotocols=None) as charge_point:
        assert charge_point.subprotocol is None
        assert (await site.backend.one(Connect)).subprotocol == ""
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'


async def test_empty_subprotocol_header_offers_nothing():
    async with running_site() as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"GET /ocpp/CP001 HTTP/1.1\r\n{UPGRADE}Sec-WebSocket-Protocol: \r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE_S):
            status = await reader.readline()
        writer.close()
        await until(lambda: site.gateway.connections == 0)

    assert status.startswith(b"HTTP/1.1 101 ")


@pytest.mark.spec("OCPP-J 1.6", "3.2")
async def test_other_subprotocols_complete_the_handshake_without_the_header_and_are_closed_at_once():
    async with running_site() as site, site.connect(subprotocols=["ocpp2.0.1", "ocpp1.5"]) as charge_point:
        assert charge_point.subprotocol is None
        assert await closed(charge_point) == 1002

    assert site.backend.all(Connect) == []


# -- credentials ----------------------------------------------------------------------------------------------


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (basic(b"CP001:secret"), ("CP001", b"secret")),
        (basic(b"CP001:\x00\xff:\x80"), ("CP001", b"\x00\xff:\x80")),
        (basic(b"CP001:"), ("CP001", b"")),
        (basic(b":secret"), ("", b"secret")),
        (basic(b"other:secret"), ("other", b"secret")),
        (basic(b"\xff:secret"), ("\ufffd", b"secret")),
        (basic(b"CP001:secret").replace("Basic", "bAsIc"), ("CP001", b"secret")),
        (basic(b"CP001:secret").rstrip("="), ("CP001", b"secret")),
        (None, (None, None)),
        ("", (None, None)),
        ("Basic", (None, None)),
        ("Basic not base64!", (None, None)),
        ("Basic ü", (None, None)),
        (basic(b"no colon"), (None, None)),
        ("Bearer abc", (None, None)),
    ],
)
def test_basic_credentials_are_read_as_bytes(header, expected):
    assert parse_basic(header, "CP001") == expected


def test_identity_with_a_colon_is_recognized_as_user_name():
    assert parse_basic(basic(b"DE:123:secret"), "DE:123") == ("DE:123", b"secret")


@pytest.mark.spec("OCPP-J 1.6", "6.2.2")
async def test_credentials_travel_undecoded():
    header = basic(b"CP001:" + bytes(range(236, 256)))
    async with running_site() as site, site.connect(additional_headers={"Authorization": header}):
        connect = await site.backend.one(Connect)

    assert (connect.username, connect.password) == ("CP001", bytes(range(236, 256)))


# -- refused by the backend -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected", "header"),
    [
        (401, 401, "www-authenticate"),
        (403, 403, None),
        (404, 404, None),
        (429, 429, "retry-after"),
        (503, 503, "retry-after"),
        (101, 403, None),
        (299, 403, None),
        (799, 403, None),
    ],
)
async def test_backend_refuses(status, expected, header):
    backend = Backend()
    backend.on_connect = lambda request: [ConnectReply(request.relay_id, False, status, "Because.")]
    async with running_site(backend) as site:
        error = await refusal(site)
        assert site.gateway.connections == 0

    assert error.response.status_code == expected
    assert error.response.body == b"Because.\n"
    assert {"www-authenticate", "retry-after"} & {name.lower() for name in error.response.headers} == (
        {header} if header else set()
    )
    assert backend.all(Disconnect) == [], "there was no session"


# -- refused because nobody answers ---------------------------------------------------------------------------


async def test_backend_that_does_not_answer_in_time_means_503():
    async with running_site(connect_timeout_s=0.1) as site:
        site.backend.silent = {Connect}
        error = await refusal(site)

    assert error.response.status_code == 503
    assert int(error.response.headers["Retry-After"]) > 0


async def test_backend_that_is_known_to_be_away_means_503_without_being_asked():
    backend = Backend()
    backend.silent = {Announce}
    async with running_site(backend, outage_grace_s=0.05) as site:
        await until(lambda: site.gateway.is_backend_down)
        error = await refusal(site)

    assert error.response.status_code == 503
    assert backend.all(Connect) == []


async def test_acceptance_that_comes_too_late_is_taken_back():
    async with running_site(connect_timeout_s=0.1) as site:
        site.backend.silent = {Connect}
        await refusal(site)
        connect = await site.backend.one(Connect)
        site.send(ConnectReply(connect.relay_id, True))
        disconnect = await site.backend.disconnected(connect.session)
        assert site.gateway.connections == 0

    assert disconnect.code == 1006


async def test_handshake_that_is_over_is_not_asked_about_again():
    async with running_site(connect_timeout_s=0.1, retry_after_s=0.15, announce_interval_s=0.03) as site:
        site.backend.silent = {Connect}
        await refusal(site)
        await site.backend.wait_for(Announce, len(site.backend.all(Announce)) + 8)

        assert len(site.backend.all(Connect)) == 1


async def test_charge_point_that_leaves_during_the_handshake_is_taken_back():
    async with running_site() as site:
        site.backend.silent = {Connect}
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"GET /ocpp/CP001 HTTP/1.1\r\n{UPGRADE}\r\n".encode())
        connect = await site.backend.one(Connect)
        writer.transport.abort()
        await until(lambda: site.gateway.sockets == 0)
        site.send(ConnectReply(connect.relay_id, True))
        await site.backend.disconnected(connect.session)

        assert site.gateway.connections == 0


# -- plain HTTP -----------------------------------------------------------------------------------------------


async def test_health():
    async with running_site() as site:
        status, _, body = await http(site, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert status == "HTTP/1.1 200 OK"
    assert body.startswith("ok\n")


async def test_plain_http_request_is_told_to_upgrade():
    async with running_site() as site:
        status, headers, _ = await http(site, "GET /ocpp/CP001 HTTP/1.1\r\nHost: x\r\n\r\n")

    assert status == "HTTP/1.1 426 Upgrade Required"
    assert headers["upgrade"] == "websocket"
    assert site.backend.all(Connect) == []


@pytest.mark.parametrize(
    "garbage", ["\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\n" + "x: y\r\n" * 200 + "\r\n"]
)
async def test_garbage_instead_of_a_request_hurts_nobody(garbage):
    async with running_site() as site:
        await http(site, garbage)
        async with site.connect() as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            assert await receive(charge_point) == '[3,"1",{}]'


async def test_who_never_finishes_the_request_is_cut_off():
    async with running_site(handshake_timeout_s=0.1, connect_timeout_s=1000) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET /ocpp/CP001 HTTP/1.1\r\nHost:")
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
        writer.close()


# -- the same identity twice ----------------------------------------------------------------------------------


async def test_second_connection_replaces_the_first_once_it_is_let_in():
    async with running_site() as site, site.connect() as first:
        first_session = await site.session(1)
        async with site.connect() as second:
            assert await closed(first) == 1000
            assert (await site.backend.disconnected(first_session)).reason.startswith("Replaced")
            assert site.gateway.connections == 1
            await second.send(HEARTBEAT.format(1))
            assert await receive(second) == '[3,"1",{}]'


async def test_who_is_not_let_in_cannot_replace_anybody():
    async with running_site() as site, site.connect() as first:
        await site.session(1)
        site.backend.on_connect = lambda request: [ConnectReply(request.relay_id, False, 401)]
        await refusal(site)

        await first.send(HEARTBEAT.format(1))
        assert await receive(first) == '[3,"1",{}]'


async def test_end_of_the_replaced_session_leaves_the_new_one_alone():
    async with running_site() as site, site.connect() as first:
        first_session = await site.session(1)
        async with site.connect() as second:
            second_session = await site.session(2)
            await site.backend.disconnected(first_session)
            await closed(first)
            await site.command("c1", second_session)
            assert '"c1"' in await receive(second)


async def test_third_connection_replaces_the_second():
    async with running_site() as site, site.connect() as first, site.connect() as second:
        await closed(first)
        await site.backend.one(Disconnect)
        async with site.connect() as third:
            assert await closed(second) == 1000
            await third.send(HEARTBEAT.format(1))
            assert await receive(third) == '[3,"1",{}]'


# -- settings of the charge point -----------------------------------------------------------------------------


async def test_frame_limit_of_the_charge_point_closes_with_1009():
    backend = Backend()
    backend.settings = SessionSettings(ping_interval_s=None, max_frame_bytes=200)
    async with running_site(backend) as site, site.connect() as charge_point:
        await charge_point.send(HEARTBEAT.format("x" * 100))
        await receive(charge_point)
        await charge_point.send(HEARTBEAT.format("x" * 200))
        assert await closed(charge_point) == 1009
        disconnect = await backend.one(Disconnect)

    assert disconnect.code == 1009


async def test_no_charge_point_may_send_more_than_the_gateway_takes():
    backend = Backend()
    backend.settings = SessionSettings(ping_interval_s=None, max_frame_bytes=1 << 20)
    async with running_site(backend, max_frame_bytes=100) as site, site.connect() as charge_point:
        await charge_point.send(HEARTBEAT.format("x" * 100))
        assert await closed(charge_point) == 1009
