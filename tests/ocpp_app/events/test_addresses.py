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
]


@pytest.mark.parametrize("host", PRIVATE)
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


def test_name_that_leads_to_a_private_address_is_refused_when_it_is_looked_up() -> None:
    target = addresses.Target("https", "localhost", 443, "/")
    with pytest.raises(AddressRefused):
        addresses.resolve(target)


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
