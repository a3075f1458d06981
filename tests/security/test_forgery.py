"""Headers, paths and names that say something else than they are."""

import logging
from urllib.parse import quote

import pytest

from ocpp_app.models import ChargePoint, SecurityProfile, Session
from tests.security.stand import DROPPED, KEY, Pki, ask, attacked, basic, in_database
from wsgate.logs import JSONFormatter, TextFormatter

pytestmark = pytest.mark.usefixtures("registered")

FORWARDED = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Real-IP": "192.0.2.1",
    "Forwarded": "for=192.0.2.1;proto=https",
    "X-Forwarded-Proto": "https",
    "X-SSL-Client-Verify": "SUCCESS",
    "X-SSL-Client-S-DN": "CN=SN-OWNER,O=Operator",
    "X-SSL-Client-Fingerprint": "ab" * 20,
}


@pytest.mark.parametrize("profile", [SecurityProfile.TLS, SecurityProfile.MUTUAL_TLS])
async def test_forwarded_headers_of_a_stranger_prove_nothing(profile: SecurityProfile, pki: Pki) -> None:
    await in_database(lambda: ChargePoint.objects.filter(identity="OWNER").update(security_profile=profile))
    async with attacked(pki, tls=False) as system:
        headers = {**FORWARDED, **basic("OWNER", KEY)}
        assert await system.status("/ocpp/OWNER", additional_headers=headers) == 403
        event = await system.seen("weak_profile", "OWNER")
        assert event.remote_address == "127.0.0.1"


async def test_forwarded_address_of_a_stranger_is_not_his(pki: Pki) -> None:
    """It would let him guess from as many addresses as he likes."""
    async with attacked(pki, tls=False, failed_attempts_per_minute=3) as system:
        statuses = [
            await system.status("/ocpp/OWNER", additional_headers={**FORWARDED, "X-Forwarded-For": f"192.0.2.{number}"})
            for number in range(5)
        ]
        assert statuses == [401] * 3 + [429] * 2
        async with system.owner(additional_headers={**FORWARDED, **basic("OWNER", KEY)}):
            session = await in_database(lambda: Session.objects.get(charge_point__identity="OWNER"))
            assert (session.remote_address, session.secure, session.certificate_fingerprint) == ("127.0.0.1", False, "")
        await system.seen("failed_attempts", address="127.0.0.1")


PATHS = (
    "/ocpp/OWNER/../EVIL",
    "/ocpp/EVIL/..%2fOWNER",
    "/ocpp/OWNER%2f",
    "/ocpp/%2e%2e/OWNER",
    "/ocpp/..",
    "/ocpp/OWNER%00",
    "/ocpp/OWNER%0d%0aX-Admin:%20yes",
    "/ocpp/OWNER%0aX",
    "/ocpp/%20OWNER",
    "/ocpp/OWNER%20",
    "/ocpp/OWNER%09",
    "/ocpp/owner",
    "/ocpp/%EF%BC%AFWNER",
    "/ocpp/OWNER%E2%80%8B",
    "/ocpp/OWNER%E2%80%AE",
    "/ocpp/OWNER;x=1",
    "/ocpp/%4FWNER%ff",
    "/ocpp/OWNER?identity=HONEST",
    "//OWNER",
    "/OWNER//",
    "/ocpp/" + "A" * 256,
    "/ocpp/" + quote("'; DROP TABLE ocpp_app_chargepoint; --"),
    "/ocpp/" + quote("<script>alert(1)</script>", safe=""),
    "/ocpp/{OWNER}",
    "/ocpp/%25%34%46WNER",
)


async def test_tricks_in_the_path(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever identity it is, it is that one and no other: nobody gets in who does not prove to be it."""
    caplog.set_level(logging.INFO)
    async with attacked(pki, tls=False, failed_attempts_per_minute=10_000) as system:
        for path in PATHS:
            for headers in ({}, basic("HONEST", KEY), basic("EVIL", KEY)):
                status = await system.status(path, additional_headers=headers)
                assert status in (400, 401, 404, DROPPED), (path, status)
        known = await in_database(lambda: sorted(ChargePoint.objects.values_list("identity", flat=True)))
        assert known == ["HONEST", "OWNER"]
        await system.seen("unknown_identity")
        await system.seen("wrong_credentials", "OWNER")
    for record in caplog.records:
        for formatter in (TextFormatter(), JSONFormatter()):
            assert formatter.format(record).isprintable()


async def test_identity_that_is_none_makes_no_charge_point_either(pki: Pki, settings) -> None:
    """Where unknown ones are welcome, what the path makes of them is still one segment without control characters."""
    settings.OCPP_UNKNOWN_CHARGE_POINT = "pending"
    async with attacked(pki, tls=False) as system:
        tricks = ("/ocpp/A%00", "/ocpp/A%0aB", "/ocpp/..", "/ocpp/%ff", "/ocpp/" + "A" * 256, "/ocpp/%E2%80%AE", "/")
        assert [await system.status(path) in (400, 404) for path in tricks] == [True] * len(tricks)
        assert await in_database(ChargePoint.objects.count) == 2
        async with system.connect("/ocpp/" + quote("<b>'\"=1+1", safe="")) as odd:
            assert (await ask(odd, '[2,"1","Heartbeat",{}]'))[2] == "SecurityError"


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", basic("OWNER", KEY)["Authorization"])] * 2,
        [
            ("Authorization", basic("HONEST", "x")["Authorization"]),
            ("Authorization", basic("OWNER", KEY)["Authorization"]),
        ],
        [("Authorization", "Basic " + "A" * 4000)],
        [("Authorization", "Basic")],
        [("Cookie", "sessionid=" + "a" * 32)],
    ],
    ids=["twice", "two different", "long", "empty", "cookie"],
)
async def test_credentials_that_can_be_read_in_two_ways(headers: list[tuple[str, str]], pki: Pki) -> None:
    async with attacked(pki, tls=False) as system:
        assert await system.status("/ocpp/OWNER", additional_headers=headers) == 401
        await system.seen("wrong_credentials", "OWNER")
