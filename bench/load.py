"""``python -m bench.load``: many charge points on real websockets, in a process of its own; every answer is checked.

- closed: each charge point sends its next CALL as soon as the last one is answered;
- open: CALLs become due at a rate (Poisson), whatever the answers do; latencies count from when a CALL was due;
- storm: all connect at once, boot and report two statuses; how long until the last one is through;
- idle: all connect, boot, and then only stay;
- site: charging sessions at the pace of life, MeterValues at an interval.
"""

import argparse
import asyncio
import gc
import importlib
import random
import resource
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

import msgspec

from bench.mix import Mix, answer_call, identity_of, is_call, key_of
from bench.tally import Phase, Tally, write_line
from bench.websocket import HandshakeFailed, Websocket, connect

STAGGER_S = 1.0
"""Charge points begin their first session spread over so long: a fleet is never in step."""
CONNECT_AT_ONCE = 200
CONNECT_TIMEOUT_S = 60.0
PATIENCE_S = 30.0
"""How long answers may take after the measurement, until they count as missing."""
FIRST_CONNECTIONS = 100
"""idle: memory is compared from here on, when whatever a server allocates once is there."""


class Charger:
    """One charge point; ``on_answer`` is called after every answer."""

    __slots__ = ("early", "is_open", "mix", "number", "on_answer", "sent_at", "tally", "waits", "websocket")

    def __init__(self, number: int, tally: Tally) -> None:
        self.number = number
        self.tally = tally
        self.mix = Mix(number)
        self.websocket: Websocket | None = None
        self.early: list[bytes] = []
        """What came together with the handshake's answer, before there was a websocket to answer on."""
        self.is_open = False
        self.waits = False
        self.sent_at = 0.0
        self.on_answer: Callable[[Charger], None] = _ignore

    async def connect(self, url: str) -> bool:
        """Connect; False (and an error counted) when it is not let in."""
        parts = urlsplit(url)
        identity = identity_of(self.number)
        path, login = f"{parts.path.rstrip('/')}/{identity}", f"{identity}:{key_of(self.number)}"
        assert parts.hostname is not None
        assert parts.port is not None
        try:
            self.websocket = await connect(self, parts.hostname, parts.port, path, login, CONNECT_TIMEOUT_S)
        except (HandshakeFailed, OSError, TimeoutError) as error:
            self.tally.failed(f"{identity} could not connect: {error!r}")
            return False
        self.is_open = True
        self.tally.connections += 1
        for text in self.early:
            self.text_received(text)
        return True

    def send_next(self) -> None:
        """Send the next CALL; it counts as waiting since now."""
        self.send_next_due(time.perf_counter())

    def send_next_due(self, due: float) -> None:
        """Send the next CALL, which was due at this ``perf_counter`` time."""
        if self.websocket is not None and self.is_open:
            self.waits = True
            self.sent_at = due
            self.websocket.send(self.mix.next_call())

    def close(self) -> None:
        """Leave in good order."""
        if self.websocket is not None and self.is_open:
            self.is_open = False
            self.websocket.close()

    # -- the websocket's calls -------------------------------------------------------------------------------

    def text_received(self, text: bytes) -> None:
        now = time.perf_counter()
        if self.websocket is None:
            self.early.append(text)
        elif is_call(text):
            self._answer_call(text)
        elif not self.waits:
            self.tally.failed(f"{identity_of(self.number)} got an answer to nothing: {text[:200]!r}")
        else:
            self._take_answer(text, now)

    def closed(self, code: int, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            self.tally.failed(f"{identity_of(self.number)} was disconnected: {code} {reason}")
            self.on_answer(self)

    def _take_answer(self, text: bytes, now: float) -> None:
        self.waits = False
        action = self.mix.action
        problem = self.mix.take_answer(text)
        if problem is None:
            self.tally.answered(action, now - self.sent_at)
        else:
            self.tally.failed(f"{identity_of(self.number)} {action}: {problem}")
        self.on_answer(self)

    def _answer_call(self, text: bytes) -> None:
        try:
            answer = answer_call(text)
        except msgspec.DecodeError as error:
            self.tally.failed(f"{identity_of(self.number)} was called unintelligibly: {error}: {text[:200]!r}")
            return
        self.tally.commands += 1
        if self.websocket is not None and self.is_open:
            self.websocket.send(answer)


def _ignore(_: Charger) -> None:
    pass


class Fleet:
    """The charge points of a run."""

    def __init__(self, urls: Sequence[str], count: int) -> None:
        self.urls = urls
        self.tally = Tally()
        self.chargers = [Charger(number, self.tally) for number in range(1, count + 1)]

    async def come_in(self, chargers: Iterable[Charger], at_once: int) -> None:
        """Connect these and let them boot, so many at the same time."""
        limit = asyncio.Semaphore(at_once)
        loop = asyncio.get_running_loop()

        async def one(charger: Charger) -> None:
            async with limit:
                if not await charger.connect(self.urls[charger.number % len(self.urls)]):
                    return
                booted: asyncio.Future[None] = loop.create_future()
                charger.on_answer = lambda charger: _go_on_until_booted(charger, booted)
                charger.send_next()
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        await booted
                except TimeoutError:
                    self.tally.failed(f"{identity_of(charger.number)} got no answer to {charger.mix.action}")
                charger.on_answer = _ignore

        await asyncio.gather(*[one(charger) for charger in chargers])

    async def finish_sessions(self) -> None:
        """Let every charge point finish its charging session; answers that do not come any more are errors."""
        busy = {charger for charger in self.chargers if charger.is_open and not _is_at_rest(charger)}
        done = asyncio.Event()

        def go_on(charger: Charger) -> None:
            if not charger.is_open or charger.mix.is_between_sessions:
                busy.discard(charger)
            else:
                charger.send_next()
            if not busy:
                done.set()

        for charger in self.chargers:
            charger.on_answer = go_on
        for charger in list(busy):
            if not charger.waits:
                charger.send_next()
        if busy:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await done.wait()
            except TimeoutError:
                for charger in busy:
                    self.tally.failed(f"{identity_of(charger.number)} got no answer to {charger.mix.action}")

    async def leave(self) -> None:
        """Close all websockets."""
        for charger in self.chargers:
            charger.close()
        await asyncio.sleep(0.5)  # for the servers' part of the closing handshakes; nothing depends on it


def _is_at_rest(charger: Charger) -> bool:
    return charger.mix.is_between_sessions and not charger.waits


def _go_on_until_booted(charger: Charger, booted: "asyncio.Future[None]") -> None:
    if charger.is_open and not charger.mix.has_booted:
        charger.send_next()
    elif not booted.done():
        booted.set_result(None)


# -- the four kinds of load ----------------------------------------------------------------------------------


async def closed_loop(fleet: Fleet, options: argparse.Namespace) -> None:
    await fleet.come_in(fleet.chargers, CONNECT_AT_ONCE)
    loop = asyncio.get_running_loop()
    for charger in fleet.chargers:
        charger.on_answer = Charger.send_next
        loop.call_later(random.uniform(0, STAGGER_S), charger.send_next)
    await asyncio.sleep(STAGGER_S + options.warm_up)
    fleet.tally.begin()
    await asyncio.sleep(options.seconds)
    fleet.tally.end()
    await fleet.finish_sessions()


async def open_loop(fleet: Fleet, options: argparse.Namespace) -> None:
    await fleet.come_in(fleet.chargers, CONNECT_AT_ONCE)
    loop = asyncio.get_running_loop()
    idle, waiting = deque(fleet.chargers), deque[float]()
    is_over = False

    def send_what_is_due() -> None:
        while waiting and idle:
            idle.popleft().send_next_due(waiting.popleft())

    def watch_the_clock(due: float) -> None:
        while not is_over and due <= time.perf_counter():
            waiting.append(due)
            due += random.expovariate(options.rate)
        send_what_is_due()
        if not is_over:
            loop.call_later(max(0.0, due - time.perf_counter()), watch_the_clock, due)

    def free(charger: Charger) -> None:
        if charger.is_open:
            idle.append(charger)
            send_what_is_due()

    for charger in fleet.chargers:
        charger.on_answer = free
    watch_the_clock(time.perf_counter())
    await asyncio.sleep(options.warm_up)
    fleet.tally.begin()
    await asyncio.sleep(options.seconds)
    fleet.tally.end()
    is_over = True
    await fleet.finish_sessions()


async def storm(fleet: Fleet, options: argparse.Namespace) -> None:
    fleet.tally.begin()
    await fleet.come_in(fleet.chargers, len(fleet.chargers))
    fleet.tally.end()


async def idle(fleet: Fleet, options: argparse.Namespace) -> None:
    first, rest = fleet.chargers[:FIRST_CONNECTIONS], fleet.chargers[FIRST_CONNECTIONS:]
    await fleet.come_in(first, CONNECT_AT_ONCE)
    await asyncio.sleep(options.warm_up)
    fleet.tally.begin()
    await fleet.come_in(rest, CONNECT_AT_ONCE)
    await asyncio.sleep(options.warm_up)
    write_line(Phase("connected"))
    await asyncio.sleep(options.seconds)
    fleet.tally.end()


async def site(fleet: Fleet, options: argparse.Namespace) -> None:
    await fleet.come_in(fleet.chargers, CONNECT_AT_ONCE)
    loop = asyncio.get_running_loop()
    timers: dict[int, asyncio.TimerHandle] = {}

    def go_on(charger: Charger) -> None:
        if charger.mix.action == "MeterValues":
            timers[charger.number] = loop.call_later(options.meter_interval, charger.send_next)
        else:
            charger.send_next()

    for charger in fleet.chargers:
        charger.on_answer = go_on
        timers[charger.number] = loop.call_later(random.uniform(0, options.meter_interval), charger.send_next)
    await asyncio.sleep(options.meter_interval + options.warm_up)
    fleet.tally.begin()
    await asyncio.sleep(options.seconds)
    fleet.tally.end()
    for timer in timers.values():
        timer.cancel()
    await fleet.finish_sessions()


KINDS = {"closed": closed_loop, "open": open_loop, "storm": storm, "idle": idle, "site": site}


async def run(options: argparse.Namespace) -> None:
    """Carry out one kind of load and print its result."""
    fleet = Fleet(options.url, options.chargers)
    gc.freeze()
    await KINDS[options.kind](fleet, options)
    await fleet.leave()
    write_line(fleet.tally.result())


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where that is installed, as in the gateway."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def raise_file_limit() -> None:
    """As many sockets as this user may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description="Charge points that check every answer.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument(
        "--url", action="append", required=True,
        help="the websocket URL without the identity: ws://127.0.0.1:9000/ocpp; of several each gets its share",
    )  # fmt: skip
    parser.add_argument("--chargers", type=int, default=50, metavar="K", help="how many (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=100.0, help="open: CALLs per second (default: %(default)s)")
    parser.add_argument("--meter-interval", type=float, default=10.0, metavar="S", help="site: between two MeterValues")
    parser.add_argument("--warm-up", type=float, default=2.0, metavar="S", help="seconds not measured, or to settle")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="seconds measured, or to stay")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse_options()
    raise_file_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(options))


if __name__ == "__main__":
    main()
