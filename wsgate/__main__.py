"""``python -m wsgate``: one gateway in one process, until SIGTERM or SIGINT."""

import asyncio
import contextlib
import importlib
import logging
import resource
import signal
import sys
from collections.abc import Callable

from wsgate import garbage, logs
from wsgate.amqp import AMQPCarrier
from wsgate.config import Options, read_options
from wsgate.errors import ConfigError
from wsgate.server import Gateway

logger = logging.getLogger("wsgate")


def main() -> int:
    """Run the gateway; the exit status is 0 after a graceful stop, 2 when it cannot be started as told."""
    try:
        options = read_options(sys.argv[1:])
        logs.configure(options.log_level, options.log_format)
        _raise_file_limit()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(options))
    except ConfigError as error:
        print(f"python -m wsgate: {error}", file=sys.stderr)
        return 2
    return 0


async def run(options: Options) -> None:
    """Serve until the first SIGTERM or SIGINT, then stop in good order; a second one ends the process at once."""
    carrier = AMQPCarrier(options.amqp, options.gateway)
    gateway = Gateway(options.gateway, carrier)
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    loop.add_signal_handler(signal.SIGHUP, gateway.reload_certificates)
    await gateway.start()
    garbage.spare_what_stays()
    collecting = asyncio.create_task(garbage.collect(lambda: gateway.gate.tally.gone, lambda: gateway.sockets))
    await asked_to_stop.wait()
    collecting.cancel()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    logger.info("Stopping: %s charge points are connected", gateway.connections)
    await gateway.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where that is installed."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _raise_file_limit() -> None:
    # A socket is a file; the soft limit is often 1024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
