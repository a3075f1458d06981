"""Somebody says that he is a charge point, with and without what proves it."""

import asyncio
import base64

import pytest
from websockets.exceptions import InvalidStatus

from ocpp_app import security
from ocpp_app.models import ChargePoint, SecurityProfile, Session
from tests.security.stand import DROPPED, KEY, OTHER_KEY, QUICK_S, Pki, System, ask, attacked, basic, in_database
from wsgate import limits

pytestmark = pytest.mark.usefixtures("registered")

HEARTBEAT = '[2,"1","Heartbeat",{}]'


async def require(profile: SecurityProfile) -> None:
    await in_database(lambda: ChargePoint.objects.filter(identity="OWNER").update(security_profile=profile))


async def test_wrong_credentials(pki: Pki) -> None:
    async with attacked(pki) as system, system.owner() as owner:
        for headers in (
            {},
            basic("OWNER", "0123456789abcdef-wrong"),
            basic("OWNER", ""),
            basic("OWNER", OTHER_KEY),
            basic("HONEST", OTHER_KEY),  # right, but somebody else's
            basic("owner", KEY),
            {"Authorization": "Bearer " + KEY},
            {"Authorization": "Basic !!!"},
        ):
            assert await system.status("/ocpp/OWNER", additional_headers=headers) in (401, 429)
        assert (await ask(owner, HEARTBEAT))[0] == 3
        event = await system.seen("wrong_credentials", "OWNER")
        assert event.remote_address == "127.0.0.1"


async def test_refusal_says_how_to_authenticate(pki: Pki) -> None:
    async with attacked(pki) as system:
        with pytest.raises(InvalidStatus) as refused:
            await system.connect("/ocpp/OWNER")
        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_unknown_identity(pki: Pki) -> None:
    async with attacked(pki) as system:
        assert await system.status("/ocpp/NOBODY", additional_headers=basic("NOBODY", KEY)) == 404
        assert (await system.seen("unknown_identity")).detail == "NOBODY"
        assert not await in_database(lambda: ChargePoint.objects.filter(identity="NOBODY").exists())


async def test_password_without_tls_where_tls_is_required(pki: Pki) -> None:
    await require(SecurityProfile.TLS)
    async with attacked(pki, tls=False) as system:
        assert await system.status("/ocpp/OWNER", additional_headers=basic("OWNER", KEY)) == 403
        await system.seen("weak_profile", "OWNER")


@pytest.mark.parametrize(
    ("name", "status", "event"),
    [
        ("neighbour", 403, "wrong_certificate"),
        ("other_operator", 403, "wrong_certificate"),
        ("self_signed", DROPPED, "tls_failed"),
        ("revoked", DROPPED, "tls_failed"),
        (None, 403, "weak_profile"),
    ],
)
async def test_certificate_of_somebody_else(name: str | None, status: int, event: str, pki: Pki) -> None:
    await require(SecurityProfile.MUTUAL_TLS)
    async with attacked(pki) as system, system.connect("/ocpp/OWNER", pki.owner) as owner:
        shown = getattr(pki, name) if name else None
        assert await system.status("/ocpp/OWNER", shown, additional_headers=basic("OWNER", KEY)) == status
        assert (await ask(owner, HEARTBEAT))[0] == 3
        await system.seen(event)


async def test_right_password_in_a_second_place_is_seen_and_slowed_down(pki: Pki) -> None:
    """Who has the password cannot be told from the charge point; that there are two of them, can."""
    async with attacked(pki) as system:
        sockets = [await system.owner() for _ in range(5)]
        with pytest.raises(InvalidStatus) as refused:
            await system.owner()
        assert refused.value.response.status_code == 429
        await system.seen("replaced", "OWNER")
        await system.seen("flapping", "OWNER")
        assert (await ask(sockets[-1], HEARTBEAT))[0] == 3
        for socket in sockets:
            await socket.close()


async def test_hijack_by_a_weaker_second_connection(pki: Pki) -> None:
    async with attacked(pki) as system, system.connect("/ocpp/OWNER", pki.owner) as owner:
        assert await system.status("/ocpp/OWNER", additional_headers=basic("OWNER", KEY)) == 403
        assert (await ask(owner, HEARTBEAT))[0] == 3
        assert await system.is_connected("OWNER")
        await system.seen("hijack", "OWNER")


async def test_stronger_connection_takes_over_and_the_late_end_of_the_weaker_one_changes_nothing(pki: Pki) -> None:
    async with attacked(pki) as system, system.owner() as weaker, system.connect("/ocpp/OWNER", pki.owner) as owner:
        async with asyncio.timeout(20):
            await weaker.wait_closed()
        assert (await ask(owner, HEARTBEAT))[0] == 3
        assert await system.is_connected("OWNER")
        live = await in_database(lambda: Session.objects.filter(charge_point__identity="OWNER", ended_at=None).count())
        assert live == 1


async def guess(system: System, number: int, address: str) -> int:
    headers = basic("OWNER", f"guess-number-{number:08}")
    return await system.status("/ocpp/OWNER", address=address, additional_headers=headers)


async def test_guessing_gets_slower_and_the_charge_point_gets_in_all_the_same(pki: Pki) -> None:
    async with attacked(pki, tls=False, failed_attempts_per_minute=5) as system:
        statuses = [await guess(system, number, "127.0.0.66") for number in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        guessing = [asyncio.create_task(guess(system, number, "127.0.0.66")) for number in range(100, 140)]
        async with asyncio.timeout(QUICK_S):
            async with system.owner(local_addr=("127.0.0.66", 0)):  # behind the same router as they, never seen before
                pass
            async with system.owner() as owner:  # from an address of its own
                assert (await ask(owner, HEARTBEAT))[0] == 3
        assert set(await asyncio.gather(*guessing)) == {429}
        assert await guess(system, 1, "127.0.0.67") in (401, 429)
        assert (await system.seen("failed_attempts", "OWNER", "127.0.0.66")).count >= 3
        assert (await system.seen("wrong_credentials", "OWNER", "127.0.0.66")).count >= 8
        assert system.hits(limits.FAILED_ATTEMPTS) >= 6


async def test_certificate_gets_in_whoever_guesses_behind_the_same_router(pki: Pki) -> None:
    await require(SecurityProfile.MUTUAL_TLS)
    async with attacked(pki, failed_attempts_per_minute=2) as system:
        statuses = [await system.status("/ocpp/OWNER", pki.neighbour) for _ in range(4)]
        assert statuses == [403, 403, 429, 429]
        guessing = [asyncio.create_task(guess(system, number, "127.0.0.1")) for number in range(20)]
        async with asyncio.timeout(QUICK_S), system.connect("/ocpp/OWNER", pki.owner) as owner:
            assert (await ask(owner, HEARTBEAT))[0] == 3
        assert set(await asyncio.gather(*guessing)) == {429}
        await system.seen("failed_attempts", "OWNER")


async def test_old_password_after_a_new_one_was_set(pki: Pki) -> None:
    async with attacked(pki) as system:
        key = await in_database(lambda: security.make_key(ChargePoint.objects.get(identity="OWNER")))
        assert await system.status("/ocpp/OWNER", additional_headers=basic("OWNER", KEY)) == 401
        assert await system.status("/ocpp/OWNER", additional_headers=basic("OWNER", bytes.fromhex(key))) == 101
        await system.seen("wrong_credentials", "OWNER")


PAGE = "https://csms.example"


@pytest.mark.parametrize(
    ("origin", "offered", "status"),
    [
        (PAGE, [("OWNER", KEY)], 101),
        (PAGE, [("OWNER", "0123456789abcdef-wrong")], 401),
        (PAGE, [("HONEST", OTHER_KEY)], 401),  # right, but somebody else's
        (PAGE, [("OWNER", KEY), ("OWNER", "0123456789abcdef-wrong")], 401),
        ("https://evil.example", [("OWNER", KEY)], 401),
        (f"{PAGE}.evil.example", [("OWNER", KEY)], 401),
        ("http://csms.example", [("OWNER", KEY)], 401),
        ("null", [("OWNER", KEY)], 401),
        (None, [("OWNER", KEY)], 401),
    ],
)
async def test_credentials_in_a_subprotocol_count_from_our_own_pages_only(
    origin: str | None, offered: list[tuple[str, str]], status: int, pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "wsgate")
    entries = ["ocpp.basic." + _packed(*credentials) for credentials in offered]
    async with attacked(pki, browser_origins=(PAGE,)) as system:
        found = await system.status("/ocpp/OWNER", subprotocols=["ocpp1.6", *entries], origin=origin)
        assert found == status
        if status == 101:
            session = await in_database(lambda: Session.objects.get(charge_point__identity="OWNER"))
            assert (session.authenticated, session.subprotocol) == (True, "ocpp1.6")
        else:
            assert not await system.is_connected("OWNER")
            await system.seen("wrong_credentials", "OWNER")
        assert not any(text in caplog.text for text in (KEY, *entries))


async def test_credentials_in_a_subprotocol_do_not_stand_in_for_the_header(pki: Pki) -> None:
    wrong = basic("OWNER", "0123456789abcdef-wrong")
    offers = ["ocpp1.6", "ocpp.basic." + _packed("OWNER", KEY)]
    async with attacked(pki, browser_origins=(PAGE,)) as system:
        options = {"subprotocols": offers, "origin": PAGE, "additional_headers": wrong}
        assert await system.status("/ocpp/OWNER", **options) == 401
        await system.seen("wrong_credentials", "OWNER")


def _packed(identity: str, password: str) -> str:
    return base64.urlsafe_b64encode(f"{identity}:{password}".encode()).decode().rstrip("=")
