"""From no password to a client certificate, over real sockets: a charge point is led from profile to profile."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.utils import timezone
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from ocpp_app import security, upgrades
from ocpp_app.models import (
    ChargePoint,
    Connector,
    RegistrationStatus,
    SecurityUpgrade,
    Transaction,
    UpgradeState,
)
from tests.security.stand import DROPPED, PATIENCE_S, Pki, System, basic, gateway_on, in_database, running_worker

pytestmark = pytest.mark.usefixtures("registered")

IDENTITY = "CLIMBER"
BOOT = (
    '[2,"boot","BootNotification",'
    '{"chargePointVendor":"ACME","chargePointModel":"Box","chargePointSerialNumber":"SN-OWNER"}]'
)


class Climber:
    """A charge point as the whitepaper describes it (A01, A05): it takes keys and profiles, and connects anew."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.key = ""
        self.profile = 0
        self.wanted = 0
        self.answers: list[str] = []
        self.can_tls = True
        self.says: dict[str, str] = {}
        """What it answers to a change of this key, or to another action; else Accepted."""
        self.asked: list[str] = []

    @contextlib.asynccontextmanager
    async def connected(self, system: System) -> AsyncIterator[ClientConnection]:
        """As its present profile says; it boots first."""
        headers = basic(IDENTITY, self.key) if self.key and self.profile < 3 else {}
        shown = self.pki.owner if self.profile == 3 else None
        async with system.connect(f"/ocpp/{IDENTITY}", shown, additional_headers=headers) as websocket:
            await websocket.send(BOOT)
            yield websocket

    async def serve(self, websocket: ClientConnection, until: Callable[[], bool]) -> None:
        """Answer what the central system sends, until that is reached."""
        async with asyncio.timeout(PATIENCE_S):
            while not until():
                frame = json.loads(await websocket.recv())
                if frame[0] == 2:
                    await websocket.send(json.dumps([3, frame[1], {"status": self._answer(*frame[2:])}]))
                else:
                    self.answers.append(frame[2].get("status", ""))

    async def is_sent_away(self, websocket: ClientConnection) -> None:
        """Answer until the central system closes the connection."""
        with pytest.raises(ConnectionClosed):
            await self.serve(websocket, lambda: False)
        assert (websocket.close_code, websocket.close_reason) == (1012, upgrades.CONNECT_AGAIN)

    def _answer(self, action: str, payload: dict[str, Any]) -> str:
        what = payload["key"] if action == "ChangeConfiguration" else action
        said = self.says.get(what, "Accepted")
        self.asked.append(what)
        if what == "AuthorizationKey" and said != "Rejected":
            self.key = payload["value"]
        elif what == "SecurityProfile":
            self.wanted = int(payload["value"])
        return said


async def state() -> str:
    return await in_database(lambda: SecurityUpgrade.objects.latest("pk").state)


async def stored() -> tuple[int | None, str]:
    row = await in_database(lambda: ChargePoint.objects.get(identity=IDENTITY))
    return row.security_profile, row.registration_status


async def test_unknown_charger_climbs_from_profile_0_to_3(pki: Pki, settings: Any) -> None:
    settings.OCPP_UNKNOWN_CHARGE_POINT = "pending"
    await in_database(lambda: ChargePoint.objects.filter(registered_serial_number="SN-OWNER").delete())
    climber = Climber(pki)
    async with running_worker() as relay:
        async with gateway_on(relay, pki, tls=False) as plain:
            async with climber.connected(plain) as websocket:
                await climber.serve(websocket, lambda: climber.answers == ["Pending"])
                await in_database(lambda: security.approve(ChargePoint.objects.get(identity=IDENTITY)))
                await climber.serve(websocket, lambda: climber.wanted == 1)
            climber.profile, climber.answers = 1, []
            async with climber.connected(plain) as websocket:
                await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
                assert await stored() == (1, RegistrationStatus.ACCEPTED)
                assert await plain.status(f"/ocpp/{IDENTITY}") == 401
                await in_database(lambda: security.upgrade_security_profile(IDENTITY, 3))
                await climber.serve(websocket, lambda: climber.wanted == 2)
            assert await state() in (UpgradeState.PROFILE_SENT, UpgradeState.WAITING)
        climber.profile = 2
        async with gateway_on(relay, pki, tls=True) as secure:
            async with climber.connected(secure) as websocket:
                await climber.serve(websocket, lambda: climber.wanted == 3)
                assert (await stored())[0] == 2
            climber.profile, climber.answers = 3, []
            async with climber.connected(secure) as websocket:
                await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
            assert (await stored(), await state()) == ((3, RegistrationStatus.ACCEPTED), UpgradeState.DONE)
            assert await secure.status(f"/ocpp/{IDENTITY}", additional_headers=basic(IDENTITY, climber.key)) == 403
            assert await secure.status(f"/ocpp/{IDENTITY}", pki.revoked) == DROPPED
        async with gateway_on(relay, pki, tls=False) as plain:
            assert await plain.status(f"/ocpp/{IDENTITY}", additional_headers=basic(IDENTITY, climber.key)) == 403


async def test_charger_that_cannot_do_it_falls_back_and_charges_on(pki: Pki) -> None:
    climber = Climber(pki)
    climber.profile = 1
    async with running_worker() as relay, gateway_on(relay, pki, tls=False) as plain:
        climber.key = await in_database(_registered)
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
            await in_database(lambda: security.upgrade_security_profile(IDENTITY, 2))
            await climber.serve(websocket, lambda: climber.wanted == 2)
        # It finds no TLS here, and is back with what it had (A05.FR.08).
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: len(climber.answers) == 2)
            await in_database(_let_time_pass)
            assert await state() == UpgradeState.FELL_BACK
            await websocket.send('[2,"on","Heartbeat",{}]')
            await climber.serve(websocket, lambda: len(climber.answers) == 3)
        assert (await stored())[0] is None  # as before: what the setting says
        await plain.seen("upgrade_fell_back", IDENTITY)


async def test_charger_that_has_a_key_and_no_profiles_is_made_to_come_back_with_it(pki: Pki, settings: Any) -> None:
    settings.OCPP_UNKNOWN_CHARGE_POINT = "pending"
    climber = Climber(pki)
    climber.says = {"SecurityProfile": "NotSupported"}
    async with running_worker() as relay, gateway_on(relay, pki, tls=False) as plain:
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Pending"])
            await in_database(lambda: security.approve(ChargePoint.objects.get(identity=IDENTITY)))
            await climber.is_sent_away(websocket)
        climber.profile, climber.answers = 1, []
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
        assert (await stored(), await state()) == ((1, RegistrationStatus.ACCEPTED), UpgradeState.DONE)
        assert climber.asked == ["AuthorizationKey", "SecurityProfile"]
        assert await plain.status(f"/ocpp/{IDENTITY}") == 401


@pytest.mark.parametrize("key_says", ["RebootRequired", "Accepted"])
async def test_charger_that_must_restart_is_restarted(key_says: str, pki: Pki, settings: Any) -> None:
    settings.OCPP_UNKNOWN_CHARGE_POINT = "pending"
    climber = Climber(pki)
    climber.says = {"AuthorizationKey": key_says, "SecurityProfile": "RebootRequired"}
    async with running_worker() as relay, gateway_on(relay, pki, tls=False) as plain:
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Pending"])
            await in_database(lambda: security.approve(ChargePoint.objects.get(identity=IDENTITY)))
            await climber.serve(websocket, lambda: climber.asked[-1:] == ["Reset"])
        climber.profile, climber.answers = 1, []
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
        assert (await stored(), await state()) == ((1, RegistrationStatus.ACCEPTED), UpgradeState.DONE)


async def test_new_key_that_needs_a_restart_which_is_refused(pki: Pki) -> None:
    climber = Climber(pki)
    climber.profile = 1
    climber.says = {"AuthorizationKey": "RebootRequired", "Reset": "Rejected"}
    async with running_worker() as relay, gateway_on(relay, pki, tls=False) as plain:
        climber.key = await in_database(_registered)
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
            await in_database(lambda: security.rotate_authorization_key(IDENTITY))
            await climber.is_sent_away(websocket)
        assert climber.asked == ["AuthorizationKey", "Reset"]
        climber.answers = []
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
        assert await state() == UpgradeState.DONE


async def test_nobody_who_charges_is_cut_off_for_a_new_key(pki: Pki) -> None:
    climber = Climber(pki)
    climber.profile = 1
    climber.says = {"AuthorizationKey": "RebootRequired"}
    async with running_worker() as relay, gateway_on(relay, pki, tls=False) as plain:
        old = climber.key = await in_database(_registered)
        async with climber.connected(plain) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
            await in_database(_charging)
            await in_database(lambda: security.rotate_authorization_key(IDENTITY))
            await climber.serve(websocket, lambda: climber.asked == ["AuthorizationKey"])
            async with asyncio.timeout(PATIENCE_S):
                while await state() != UpgradeState.WAITING:
                    await asyncio.sleep(0.02)
            await websocket.send('[2,"on","Heartbeat",{}]')
            await climber.serve(websocket, lambda: len(climber.answers) == 2)
        assert climber.asked == ["AuthorizationKey"]
        for key in (old, climber.key):  # both are valid until the new one is used
            assert await plain.status(f"/ocpp/{IDENTITY}", additional_headers=basic(IDENTITY, key)) == 101


async def test_new_key_over_the_wire(pki: Pki) -> None:
    climber = Climber(pki)
    climber.profile = 2
    async with running_worker() as relay, gateway_on(relay, pki, tls=True) as secure:
        old = climber.key = await in_database(_registered)
        async with climber.connected(secure) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"])
            await in_database(lambda: security.rotate_authorization_key(IDENTITY))
            await climber.serve(websocket, lambda: climber.key != old)
            async with asyncio.timeout(PATIENCE_S):
                while await state() != UpgradeState.DONE:
                    await asyncio.sleep(0.02)
        assert await secure.status(f"/ocpp/{IDENTITY}", additional_headers=basic(IDENTITY, old)) == 401
        async with climber.connected(secure) as websocket:
            await climber.serve(websocket, lambda: climber.answers == ["Accepted"] * 2)


def _registered() -> str:
    return security.make_key(ChargePoint.objects.create(identity=IDENTITY))


def _charging() -> None:
    charge_point = ChargePoint.objects.get(identity=IDENTITY)
    connector = Connector.objects.create(charge_point=charge_point, number=1)
    now = timezone.now()
    Transaction.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=connector,
        started_at=now,
        start_received_at=now,
        meter_start_wh=0,
    )


def _let_time_pass() -> None:
    row = SecurityUpgrade.objects.latest("pk")
    SecurityUpgrade.objects.filter(pk=row.pk).update(deadline=row.created_at)
    upgrades.review()
