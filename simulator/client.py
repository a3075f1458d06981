"""The websocket of a simulated charge point: one task, one timer, everything else is in ``simulator.charge_point``.

Reconnects by itself with a back-off capped at 15 s; what the charge point kept while it was offline is delivered then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPException
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from ocppj.v16 import ChargePointErrorCode, ChargePointStatus, Reason
from simulator.charge_point import BOOT_TIME_S, ChargePoint, Specification
from simulator.connection import GOING_AWAY, BackOff, describe_end, describe_failure, open_websocket
from simulator.diagnostics import write_diagnostics
from simulator.ledger import Entry, Ledger, LedgerEvent
from simulator.maintenance import Job, Upload
from simulator.meter import Car
from simulator.reader import Presentation
from simulator.transfer import transfer

logger = logging.getLogger(__name__)

STABLE_AFTER_S = 10.0
"""A connection that lasted less does not reset the back-off: it was accepted only to be thrown out."""
SWITCHED_OFF = "switched off"


class SimulatedChargePoint:
    """One charge point on one real websocket.

    ``async with`` connects, boots, and waits until the central system has accepted it; ``start`` does not wait. Its
    methods are what a driver does; ``charge_point`` is its state, ``ledger`` the truth about what was sent and
    answered.
    """

    def __init__(
        self,
        url: str,
        identity: str,
        *,
        password: str | None = None,
        specification: Specification | None = None,
        ledger: Ledger | None = None,
        handshakes: asyncio.Semaphore | None = None,
        **options: Any,
    ) -> None:
        """``url`` without the identity, ``options`` are fields of ``Specification``; ``handshakes`` limits how many
        run at once.
        """
        self.identity = identity
        self.url = f"{url.rstrip('/')}/{quote(identity, safe='')}"
        self.specification = specification or Specification(identity=identity, **options)
        self.ledger = ledger if ledger is not None else Ledger(identity)
        self.charge_point: ChargePoint
        self._password = None if password is None else password.encode()
        self._handshakes = handshakes
        self._websocket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transfers: set[asyncio.Task[None]] = set()
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._network = asyncio.Event()
        self._network.set()
        self._is_started = False

    # -- life -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.start()
        try:
            await self.wait_until(lambda: self.charge_point.registration.is_accepted, "the central system accepts it")
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Switch it on: it connects and boots, and connects again whenever it has to."""
        if self._is_started:
            raise RuntimeError(f"{self.identity} has been started already.")
        self._is_started = True
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self.charge_point = ChargePoint(self.specification, self._now(), datetime.now(UTC), self.ledger)
        self._task = loop.create_task(self._run(), name=self.identity)

    async def close(self) -> None:
        """Switch it off: its socket is closed with 1001, nothing is sent afterwards."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for transfer_task in self._transfers:
            transfer_task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def is_connected(self) -> bool:
        """Whether there is a websocket now."""
        return self._websocket is not None

    def look(self) -> ChargePoint:
        """Its state, with the meters as they stand now."""
        self.charge_point.charging.advance(self._now())
        return self.charge_point

    # -- what a driver does ---------------------------------------------------------------------------------

    async def plug_in(self, connector_id: int = 1, car: Car | None = None) -> None:
        """Connect a car, by default one with a battery of 60 kWh at 40 %."""
        self._do(lambda now: self.charge_point.plug_in(connector_id, car or Car(), now))

    async def unplug(self, connector_id: int = 1) -> None:
        """Take the cable out at the car."""
        self._do(lambda now: self.charge_point.unplug(connector_id, now))

    async def present_tag(self, id_tag: str, connector_id: int | None = None) -> Presentation:
        """Hold a tag against the reader, and wait until it is decided whether it may charge."""
        presentation: list[Presentation] = []
        self._do(lambda now: presentation.append(self.charge_point.present_tag(id_tag, connector_id, now)))
        await self.wait_until(lambda: presentation[0].status is not None, f"tag {id_tag} is authorized")
        return presentation[0]

    async def stop_charging(self, connector_id: int = 1, reason: Reason = Reason.Local) -> None:
        """Press the stop button."""
        self._do(lambda now: self.charge_point.stop(connector_id, now, reason))

    async def pause(self, connector_id: int = 1) -> None:
        """Let the car ask for no energy (SuspendedEV)."""
        self._do(lambda now: self.charge_point.pause(connector_id, True, now))

    async def resume(self, connector_id: int = 1) -> None:
        """Let the car ask for energy again."""
        self._do(lambda now: self.charge_point.pause(connector_id, False, now))

    async def fault(
        self, connector_id: int = 1, error_code: ChargePointErrorCode = ChargePointErrorCode.OtherError
    ) -> None:
        """Let a fault be detected; ``NoError`` resolves it."""
        self._do(lambda now: self.charge_point.fault(connector_id, error_code, now))

    # -- the network ----------------------------------------------------------------------------------------

    async def go_offline(self) -> None:
        """Lose the network: the socket is gone without a word, and none is opened until ``go_online``."""
        self._network.clear()
        if self._websocket is not None:
            self._websocket.transport.abort()
        await self.wait_until(lambda: not self.charge_point.is_connected, "it is offline")

    async def go_online(self) -> None:
        """Get the network back, and wait for the connection."""
        self._network.set()
        await self.wait_until(lambda: self.charge_point.is_connected, "it is online")

    # -- waiting --------------------------------------------------------------------------------------------

    async def wait_until(self, condition: Callable[[], bool], what: str, timeout_s: float | None = 30.0) -> None:
        """Wait until something is true of the charge point; raises ``TimeoutError``, which says what was waited for."""
        if condition():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((condition, waiter))
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            last = self.ledger.last
            seen = (
                "nothing has happened yet"
                if last is None
                else f"the last that happened: {last.event} {last.action} {last.detail}"
            )
            raise TimeoutError(f"{self.identity} waited {timeout_s} s until {what}; {seen.strip()}.") from None
        finally:
            self._waiters = [other for other in self._waiters if other[1] is not waiter]

    async def wait_for_status(
        self, status: ChargePointStatus | str, connector_id: int = 1, timeout_s: float | None = 30.0
    ) -> None:
        """Wait until a connector has that status."""
        connector = self.charge_point.connectors[connector_id - 1]
        await self.wait_until(lambda: connector.status == status, f"connector {connector_id} is {status}", timeout_s)

    async def charge(self, connector_id: int = 1, *, energy_wh: float, timeout_s: float | None = None) -> None:
        """Let that much energy flow into the present transaction, or all that is taken until it stops."""
        connector = self.charge_point.connectors[connector_id - 1]
        transaction = connector.transaction
        if transaction is None:
            raise ValueError(f"Connector {connector_id} has no transaction: start one first.")
        await self.wait_until(
            lambda: (
                connector.transaction is not transaction
                or connector.meter.energy_wh - transaction.meter_start_wh >= energy_wh
            ),
            f"{energy_wh} Wh are charged",
            timeout_s,
        )

    async def delivered(self, timeout_s: float | None = 30.0) -> None:
        """Wait until the central system has confirmed everything that was kept for it."""
        await self.wait_until(lambda: self.charge_point.is_idle, "all is delivered", timeout_s)

    async def pass_time(self, simulated_s: float) -> None:
        """Let that much of the charge point's time go by."""
        await asyncio.sleep(simulated_s / self.specification.speed)

    # -- inside ---------------------------------------------------------------------------------------------

    def _do(self, act: Callable[[float], object]) -> None:
        if not self._is_started:
            raise RuntimeError(f"{self.identity} is switched off: use it in `async with`, or call start() first.")
        now = self._now()
        act(now)
        self.charge_point.tick(now)
        self._after_step()

    async def _run(self) -> None:
        try:
            await self._live()
        except Exception as error:  # noqa: BLE001 - the edge of one charge point's life; told to whoever waits
            self._fail(error)
        finally:
            if self._websocket is not None:
                await self._websocket.close(GOING_AWAY)
                self._lost(SWITCHED_OFF)

    async def _live(self) -> None:
        """One connection after the other."""
        back_off = BackOff()
        while True:
            await self._network.wait()
            if self.charge_point.is_resetting:
                await self.pass_time(BOOT_TIME_S)
                self.charge_point.restart(self._now())
            connected_at = self._now()
            if await self._connect_once() and self._now() - connected_at >= STABLE_AFTER_S:
                back_off.reset()
            if not self.charge_point.is_resetting and self._network.is_set():
                await asyncio.sleep(back_off.next_s())

    async def _connect_once(self) -> bool:
        """One connection from its handshake to its end; False where it never stood."""
        configuration = self.charge_point.configuration
        key = configuration.value("AuthorizationKey")  # what the central system has set replaces the first password
        password = bytes.fromhex(key) if key else self._password
        ping_interval_s = configuration.integer("WebSocketPingInterval")
        try:
            async with self._handshakes or contextlib.nullcontext():
                websocket = await open_websocket(self.url, self.identity, password, ping_interval_s=ping_interval_s)
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError, EOFError) as error:
            self._note(LedgerEvent.connection_failed, describe_failure(error))
            return False
        if not self._network.is_set():  # it was lost in the middle of the handshake
            websocket.transport.abort()
            return False
        self._websocket = websocket
        self.charge_point.connected(self._now(), self.url)
        self._after_step()
        self._lost(await self._listen(websocket))
        return True

    async def _listen(self, websocket: ClientConnection) -> str:
        """Take what comes until the connection ends; how it ended."""
        try:
            while True:
                raw = await websocket.recv()
                self.charge_point.receive(raw, self._now())
                self._after_step()
        except ConnectionClosed:
            return describe_end(websocket)

    def _lost(self, detail: str) -> None:
        self._websocket = None
        self.charge_point.disconnected(self._now(), detail)
        self._after_step()

    def _after_step(self) -> None:
        """Write what there is to write, set the timer, wake who waits."""
        now = self._now()
        websocket = self._websocket
        data = self.charge_point.data_to_send()
        if websocket is not None:
            for message in data:
                # Never waits: our CALLs go out one at a time, so no more than the central system asks for can pile up.
                broadcast([websocket], message, text=True)
            if self._must_close(now) and self._closing is None:
                self._closing = asyncio.get_running_loop().create_task(self._close_to_come_back(websocket))
        for job in self.charge_point.maintenance.take_jobs():
            transfer_task = asyncio.get_running_loop().create_task(self._transfer(job))
            self._transfers.add(transfer_task)
            transfer_task.add_done_callback(self._transfers.discard)
        self._set_timer(now)
        for condition, waiter in self._waiters:
            if not waiter.done() and condition():
                waiter.set_result(None)

    def _must_close(self, now: float) -> bool:
        return self.charge_point.must_reconnect or self.charge_point.is_reset_due(now)

    async def _close_to_come_back(self, websocket: ClientConnection) -> None:
        self.charge_point.must_reconnect = False
        await websocket.close()
        self._closing = None

    async def _transfer(self, job: Job) -> None:
        """Move a file in a thread and tell the charge point how it went."""
        content = write_diagnostics(self.charge_point, job.since, job.until) if isinstance(job, Upload) else b""
        size: int | None = None
        try:
            size = await asyncio.to_thread(transfer, job, content)
        except (OSError, ValueError, HTTPException) as error:
            self._note(LedgerEvent.transfer_failed, f"{job.url}: {describe_failure(error)}")
        self._do(lambda now: self.charge_point.maintenance.finished(job, size, now))

    def _fail(self, error: Exception) -> None:
        """An error of our own: this charge point stands still, and whoever waits for it is told."""
        logger.error("%s has stopped for an error of the simulator's own.", self.identity, exc_info=error)
        self._note(LedgerEvent.broken, f"{type(error).__name__}: {error}")
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)

    def _set_timer(self, now: float) -> None:
        due = self.charge_point.next_timeout(now)
        if due is None:
            return
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() <= due:
            return  # it fires earlier, and is set again then: cheaper than to move it with every frame
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        try:
            self.charge_point.tick(self._now())
            self._after_step()
        except Exception as error:  # noqa: BLE001 - the same edge, from the timer
            self._fail(error)
            if self._task is not None:
                self._task.cancel()

    def _note(self, event: LedgerEvent, detail: str) -> None:
        self.ledger.write(Entry(self.charge_point.clock.utc(self._now()), event, detail=detail))
