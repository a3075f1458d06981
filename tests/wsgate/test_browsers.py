"""Charge points in browsers, which put their credentials into a subprotocol."""

import base64

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus

from ocppj.envelope import Connect, ConnectReply
from tests.wsgate.site import HEARTBEAT, receive, running_site
from wsgate.browsers import unpack_credentials

PAGE, STRANGER = "https://csms.example.com", "https://evil.example.com"
TRUSTED = {"browser_origins": (PAGE,)}


def packed(text: str) -> str:
    return "ocpp.basic." + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_credentials_from_a_trusted_page_are_those_of_the_connection():
    offers = [packed("CP001:geheim ÿ?>~"), "ocpp1.6"]
    async with running_site(**TRUSTED) as site, site.connect(subprotocols=offers, origin=PAGE) as charge_point:
        connect = await site.backend.one(Connect)
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'
        answer = charge_point.response.headers

    assert (connect.username, connect.password) == ("CP001", "geheim ÿ?>~".encode())
    assert connect.subprotocol == "ocpp1.6"
    assert answer.get_all("Sec-WebSocket-Protocol") == ["ocpp1.6"]


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        (TRUSTED, STRANGER),
        (TRUSTED, None),
        (TRUSTED, "null"),
        (TRUSTED, f"{PAGE}.evil.example.com"),
        (TRUSTED, "http://csms.example.com"),
        ({}, PAGE),
    ],
)
async def test_credentials_from_any_other_page_are_dropped(settings, origin):
    offers = ["ocpp1.6", packed("CP001:secret")]
    async with running_site(**settings) as site, site.connect(subprotocols=offers, origin=origin) as charge_point:
        connect = await site.backend.one(Connect)
        assert charge_point.subprotocol == "ocpp1.6"

    assert (connect.username, connect.password) == (None, None)


async def test_what_is_refused_is_refused_with_credentials_in_a_subprotocol_as_well():
    async with running_site(**TRUSTED) as site:
        site.backend.on_connect = lambda request: [ConnectReply(request.relay_id, False, 401)]
        with pytest.raises(InvalidStatus) as caught:
            await site.connect(subprotocols=["ocpp1.6", packed("CP001:wrong")], origin=PAGE)

    assert caught.value.response.status_code == 401


@pytest.mark.parametrize(
    ("offers", "left", "authorization"),
    [
        ([f"ocpp1.6, {packed('a:b')}"], ["ocpp1.6"], "Basic YTpi"),
        ([packed("a:b"), "ocpp2.0.1,ocpp1.6"], ["ocpp2.0.1, ocpp1.6"], "Basic YTpi"),
        ([packed("a:b")], [], "Basic YTpi"),
        ([f"{packed('a:b')},{packed('a:c')}"], [], None),
        (["ocpp1.6"], ["ocpp1.6"], None),
        ([], [], None),
    ],
)
def test_the_entry_is_taken_out_of_the_request(offers, left, authorization):
    headers = Headers([("Origin", PAGE), *(("Sec-WebSocket-Protocol", offer) for offer in offers)])

    unpack_credentials(headers, (PAGE,))

    assert headers.get_all("Sec-WebSocket-Protocol") == left
    assert headers.get("Authorization") == authorization


def test_a_header_of_its_own_is_not_replaced():
    headers = Headers([("Origin", PAGE), ("Sec-WebSocket-Protocol", packed("a:b")), ("Authorization", "Basic eDp5")])

    unpack_credentials(headers, (PAGE,))

    assert headers["Authorization"] == "Basic eDp5"
