"""``python -m tests.faults.storm``: so many charge points connect at once, boot, and report three statuses each.

Prints one line of JSON: what was answered, what failed, and how long it took.
"""

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit

from bench.load import loop_factory, raise_file_limit
from bench.websocket import HandshakeFailed, Websocket, connect

WITHIN_S = 90.0
"""How long each is patient; whoever is not through by then has failed."""
STEPS = (
    ("BootNotification", '{"chargePointVendor":"Storm","chargePointModel":"S1"}'),
    *(
        ("StatusNotification", f'{{"connectorId":{connector},"errorCode":"NoError","status":"Available"}}')
        for connector in range(3)
    ),
)
CALLS_EACH = len(STEPS)


def identity_of(number: int) -> str:
    return f"STORM-{number:05d}"


class ChargePoint:
    """One of them."""

    def __init__(self, number: int) -> None:
        self.identity = identity_of(number)
        self.answered = 0
        self.slowest_s = 0.0
        self._sent_at = 0.0
        self._websocket: Websocket | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def come(self, url: str) -> str:
        """Be through with everything; why not, or nothing."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        try:
            async with asyncio.timeout(WITHIN_S):
                path = f"{parts.path}/{self.identity}"
                self._websocket = await connect(self, parts.hostname, parts.port, path, f"{self.identity}:", WITHIN_S)
                self._send()
                await self._done
        except (HandshakeFailed, ConnectionError, OSError, TimeoutError) as error:
            return f"{self.identity}: {type(error).__name__} {error}, {self.answered} of {CALLS_EACH} answered"
        return ""

    def leave(self) -> None:
        if self._websocket is not None:
            self._websocket.close()

    def _send(self) -> None:
        assert self._websocket is not None
        action, payload = STEPS[self.answered]
        self._sent_at = time.perf_counter()
        self._websocket.send(f'[2,"{self.answered}","{action}",{payload}]'.encode())

    # -- the websocket's calls -------------------------------------------------------------------------------

    def text_received(self, text: bytes) -> None:
        frame = json.loads(text)
        if frame[0] == 2:  # a CALL of the central system: nothing that a storm waits for
            if self._websocket is not None:
                self._websocket.send(json.dumps([4, frame[1], "NotSupported", "", {}]).encode())
        elif frame[:2] != [3, str(self.answered)] or frame[2].get("status", "Accepted") != "Accepted":
            self._fail(f"got {text[:200]!r}")
        else:
            self.slowest_s = max(self.slowest_s, time.perf_counter() - self._sent_at)
            self.answered += 1
            if self.answered < CALLS_EACH:
                self._send()
            elif not self._done.done():
                self._done.set_result(None)

    def closed(self, code: int, reason: str) -> None:
        self._fail(f"was disconnected: {code} {reason}")

    def _fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError(why))


async def run(urls: list[str], count: int) -> None:
    charge_points = [ChargePoint(number) for number in range(1, count + 1)]
    began = time.perf_counter()
    comings = (one.come(urls[number % len(urls)]) for number, one in enumerate(charge_points))
    failures = [failure for failure in await asyncio.gather(*comings) if failure]
    seconds = time.perf_counter() - began
    for one in charge_points:
        one.leave()
    result = {
        "answered": sum(one.answered for one in charge_points),
        "failures": failures,
        "seconds": seconds,
        "slowest_s": max(one.slowest_s for one in charge_points),
    }
    print(json.dumps(result), flush=True)
    await asyncio.sleep(0.5)  # for the closing handshakes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm")
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    raise_file_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(options.url, options.count))


if __name__ == "__main__":
    main()
