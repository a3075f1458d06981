"""Where webhooks may go, and where not."""

import socket
from typing import Any

import pytest

from ocpp_app.events import addresses
from ocpp_app.events.addresses import AddressRefused
from ocpp_app.events.posting import Poster

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # the metadata of clouds
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[fe80::1]",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::]",
    "127.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "localhost",
    "a.localhost",
    "localhost.",
    "a.localhost.",
    "LocalHost",
    "127.0.0.1.",
    "127.1.",
    "１２７.0.0.1",
    "ⓛocalhost",
]
SPECIAL = [
    "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1",
    "[::]", "[::7f00:1]", "[64:ff9b:1::1]", "[64:ff9b::c000:8]", "[100::1]", "[100:0:0:1::1]", "[2001::1]",
    "[2001:0:808:808::f7f7:f7f7]", "[2001:2::1]", "[2001:20::1]", "[2001:db8::1]", "[2002:c000:8::]",
    "[2620:4f:8000::1]", "[3fff::1]", "[5f00::1]", "[fec0::1]", "[feff::1]", "[ff0e::1]", "[::ffff:192.0.0.8]",
    "[fe80::1%25eth0]",
]  # fmt: skip
"""https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry."""


@pytest.mark.parametrize("host", [*PRIVATE, *SPECIAL])
def test_private_address_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused, match="public internet"):
        addresses.parse(f"https://{host}/hook")


def test_private_address_that_is_allowed_is_not(settings: Any) -> None:
    settings.OCPP_WEBHOOK_ALLOWED_NETWORKS = ["10.0.0.0/8", "fd00::/8"]
    for url in ("http://10.1.2.3/", "https://[::ffff:10.0.0.1]:8443/", "http://[fd00::1]/", "http://intranet/hook"):
        addresses.parse(url)
    with pytest.raises(AddressRefused):
        addresses.parse("http://192.168.1.1/")
    with pytest.raises(AddressRefused, match="https"):
        addresses.parse("http://8.8.8.8/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "https://",
        "https:///hook",
        "https://user:password@example.com/",
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://example.com/\r\nX: y",
        "https://example.com/ü",
        "http://example.com/",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        addresses.parse(url)


def test_parts_of_an_address() -> None:
    target = addresses.parse("https://hooks.example.com:8443/in?key=1#part")
    assert (target.host, target.port, target.path) == ("hooks.example.com", 8443, "/in?key=1")
    assert addresses.parse("https://müller.example").host == "xn--mller-kva.example"


@pytest.mark.parametrize("host", ["localhost", *(host for host in SPECIAL if "%" not in host)])
def test_name_that_leads_there_is_refused_when_it_is_looked_up(host: str) -> None:
    """What a name resolves to meets the same rules as what is written down."""
    target = addresses.Target("https", host.strip("[]"), 443, "/")
    with pytest.raises(AddressRefused, match="public internet"):
        addresses.resolve(target)


@pytest.mark.parametrize("host", ["8.8.8.8", "192.0.1.1", "[2606:4700::1111]", "[64:ff9b::808:808]", "[2a00:1450::1]"])
def test_public_address_is_taken(host: str) -> None:
    target = addresses.parse(f"https://{host}/hook")
    assert addresses.resolve(target)


def test_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers with a private address, only now or from the first, leads nowhere."""
    public, private = "93.184.215.14", "192.168.1.1"
    answers = {"hooks.example.com": [public, private]}
    asked: list[str] = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> Any:
        asked.append(host)
        found = answers.get(host, [host])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    poster = Poster("https://hooks.example.com/")
    answer = poster.post({}, b"{}")
    assert answer.status_code is None
    assert f"{private} is not on the public internet" in answer.error
    assert asked == ["hooks.example.com"]
    answers["hooks.example.com"] = [public]
    assert addresses.resolve(addresses.parse("https://hooks.example.com/")) == [public]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "nobody listens at its port"),
        ("http://no-such-host.invalid/", "the name of its host is not known"),
    ],
)
def test_who_cannot_be_reached_is_told_in_words(url: str, words: str, settings: Any) -> None:
    settings.OCPP_WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    assert Poster(url).post({}, b"{}").error.startswith(words)
