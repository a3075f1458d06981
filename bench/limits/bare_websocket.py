"""``python -m bench.limits.bare_websocket``: a ``websockets`` server that answers by itself, at once, from no database.

What any gateway in Python costs at least. The same library, event loop, pings and limits as ``wsgate``.
"""

import argparse
import asyncio
import itertools
from datetime import UTC, datetime

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.load import loop_factory, raise_file_limit

PING_INTERVAL_S = 30.0
"""As a gateway's sessions (``ocppj.envelope.SessionSettings``)."""
BACKLOG = 4096

Call = tuple[int, str, str, msgspec.Raw]
decoder: "msgspec.json.Decoder[Call]" = msgspec.json.Decoder(Call)
transaction_ids = itertools.count(1)


def answer(frame: str | bytes) -> bytes:
    """A CALLRESULT with all required fields."""
    _, unique_id, action, _ = decoder.decode(frame)
    return b'[3,"%b",%b]' % (unique_id.encode(), payload(action).encode())


def payload(action: str) -> str:
    if action in ("Authorize", "StopTransaction"):
        return '{"idTagInfo":{"status":"Accepted"}}'
    if action == "StartTransaction":
        return f'{{"transactionId":{next(transaction_ids)},"idTagInfo":{{"status":"Accepted"}}}}'
    if action == "Heartbeat":
        return f'{{"currentTime":"{now()}"}}'
    if action == "BootNotification":
        return f'{{"status":"Accepted","currentTime":"{now()}","interval":3600}}'
    return "{}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


async def handle(websocket: ServerConnection) -> None:
    try:
        while True:
            await websocket.send(answer(await websocket.recv()), text=True)
    except ConnectionClosed:
        pass


async def run(host: str, port: int) -> None:
    async with serve(
        handle,
        host,
        port,
        backlog=BACKLOG,
        compression=None,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=None,
        server_header=None,
        subprotocols=[Subprotocol("ocpp1.6")],
    ):
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.limits.bare_websocket", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    options = parser.parse_args()
    raise_file_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(options.host, options.port))


if __name__ == "__main__":
    main()
