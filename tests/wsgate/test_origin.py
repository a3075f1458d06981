"""Whom the gateway believes what a connection's headers say of its origin."""

from ipaddress import ip_network

import pytest
from websockets.datastructures import Headers

from ocppj.envelope import Connect
from tests.wsgate.site import running_site
from wsgate.config import LOOPBACK
from wsgate.origin import Origin, behind_proxy, is_within, key_of, parse_dn

PROXY, CHARGER, STRANGER = "10.0.0.1", "203.0.113.9", "198.51.100.1"
TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
CERTIFICATE = {
    "X-Forwarded-Proto": "https",
    "X-SSL-Client-Verify": "SUCCESS",
    "X-SSL-Client-S-DN": "CN=SN0001,O=Operator",
    "X-SSL-Client-Serial": "0A",
    "X-SSL-Client-Fingerprint": "ab",
}


def origin_of(peer: str, headers: dict[str, str] | list[tuple[str, str]]) -> Origin:
    return behind_proxy(Headers(headers), Origin(peer), TRUSTED)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (CHARGER, CHARGER),
        (f"{CHARGER}:5555", CHARGER),
        (f"{STRANGER}, {CHARGER}", CHARGER),
        (f"{CHARGER}, 10.1.2.3", CHARGER),
        (f"{STRANGER}, {CHARGER}, 10.1.2.3, 10.1.2.4", CHARGER),
        ("[2001:db9::1]:80", "2001:db9::1"),
        ("::ffff:203.0.113.9", CHARGER),
        (f"{CHARGER}, unknown", PROXY),
        ("10.1.2.3", PROXY),
        ("", PROXY),
    ],
)
def test_address_is_the_last_one_that_is_no_trusted_proxy(forwarded, address):
    assert origin_of(PROXY, {"X-Forwarded-For": forwarded}).address == address


def test_several_headers_are_one_list():
    headers = [("X-Forwarded-For", STRANGER), ("X-Forwarded-For", CHARGER)]
    assert origin_of(PROXY, headers).address == CHARGER


@pytest.mark.parametrize("peer", [STRANGER, "", "unix"])
def test_headers_of_anybody_else_are_ignored(peer):
    assert origin_of(peer, {"X-Forwarded-For": CHARGER, **CERTIFICATE}) == Origin(peer)


def test_client_certificate_that_the_proxy_has_verified():
    origin = origin_of(PROXY, CERTIFICATE)
    certificate = origin.certificate
    assert origin.is_secure
    assert certificate is not None
    assert (certificate.common_names, certificate.organisations) == (("SN0001",), ("Operator",))
    assert (certificate.serial, certificate.fingerprint) == ("0A", "ab")


@pytest.mark.parametrize(
    "change",
    [
        {"X-SSL-Client-Verify": "FAILED:certificate has expired"},
        {"X-SSL-Client-Verify": "NONE"},
        {"X-SSL-Client-Verify": ""},
        {"X-SSL-Client-S-DN": ""},
        {"X-SSL-Client-S-DN": "CN=SN0001,O"},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-Proto": "https, http"},
    ],
)
def test_certificate_that_was_not_verified_is_none(change):
    assert origin_of(PROXY, {**CERTIFICATE, **change}).certificate is None


def test_certificate_headers_that_stand_twice_are_not_believed():
    """A client's own header that the proxy has let through beside its own."""
    headers = [*CERTIFICATE.items(), ("X-SSL-Client-S-DN", "CN=SN0002,O=Operator")]
    assert origin_of(PROXY, headers).certificate is None


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("CN=SN0001,O=Operator", [("CN", "SN0001"), ("O", "Operator")]),
        ("cn = SN0001 , o = A B ", [("CN", "SN0001"), ("O", "A B")]),
        (r"CN=SN0001\,O=Operator", [("CN", "SN0001,O=Operator")]),
        (r"CN=a\2CO=b+O=c", [("CN", "a,O=b"), ("O", "c")]),
        (r"O=Stra\C3\9Fe", [("O", "Straße")]),
        ("CN=a=b", [("CN", "a=b")]),
        ("O=Straße", [("O", "Straße")]),
        ("CN", []),
        ("", []),
        ("CN=a\\", []),
        ('O="a,CN=b"', []),
        ("=a,CN=b", [("", "a"), ("CN", "b")]),
    ],
)
def test_distinguished_names(text, attributes):
    assert parse_dn(text) == attributes


def test_ipv6_addresses_count_by_their_network():
    assert key_of("2001:db8::1") == key_of("2001:db8::ffff") == "2001:db8::/64"
    assert key_of("192.0.2.1") == key_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert is_within("::ffff:10.1.1.1", TRUSTED)
    assert not is_within("no address", TRUSTED)


@pytest.mark.parametrize(("trusted", "believed"), [((), False), (LOOPBACK, True)])
async def test_forwarded_headers_at_a_real_gateway(trusted, believed):
    headers = {"X-Forwarded-For": CHARGER, **CERTIFICATE}
    async with running_site(trusted_proxies=trusted) as site, site.connect(additional_headers=headers):
        connect = await site.backend.one(Connect)
    assert (connect.remote_address, connect.secure) == ((CHARGER, True) if believed else ("127.0.0.1", False))
    assert (connect.certificate is not None) == believed
