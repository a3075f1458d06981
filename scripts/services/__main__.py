"""python -m scripts.services up NAME … | url rabbitmq|postgres [--scope cluster] | down"""

import argparse
import logging
import os
import sys
import time
from types import ModuleType
from urllib.parse import urlsplit

from . import caddy, chromium, helm, orphans, postgres, prometheus, rabbitmq, state, systemd
from .errors import ServiceMissing

SERVICES: dict[str, ModuleType] = {
    module.NAME: module for module in (rabbitmq, postgres, chromium, caddy, helm, prometheus, systemd)
}


def main() -> int:
    """Runs one subcommand; the exit code of the program."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a broker that is not there is an answer, not an error
    options = parse_options()
    try:
        with state.locked():
            return int(options.run(options))
    except ServiceMissing as error:
        print(error, file=sys.stderr)
        return 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.services", description="What tests need that is not Python"
    )
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="find each service, or start it")
    up.add_argument("services", nargs="+", choices=SERVICES)
    up.set_defaults(run=bring_up)
    url = commands.add_parser("url", help="print the address of a service that is up")
    url.add_argument("service", choices=SERVICES)
    url.add_argument("--scope", default="tests", help="whose database and virtual host: tests, cluster, bench")
    url.set_defaults(run=print_url)
    commands.add_parser("down", help="stop what `up` has started").set_defaults(run=bring_down)
    return parser.parse_args()


def bring_up(options: argparse.Namespace) -> int:
    """0 when every service is there; in CI a missing one is a failure, elsewhere its tests are skipped."""
    orphans.remove()
    missing = [service for service in options.services if not is_up(SERVICES[service])]
    if missing and not os.environ.get("CI"):
        print("Tests that need what is missing are skipped.", file=sys.stderr)
    return 1 if missing and os.environ.get("CI") else 0


def is_up(service: ModuleType) -> bool:
    """Finds or starts one service, and says so in a line."""
    began = time.monotonic()
    try:
        address = service.discover()
        how = "found"
        if address is None:
            service.start()
            address = service.discover()
            how = f"started in {time.monotonic() - began:.0f} s"
    except ServiceMissing as error:
        print(f"{service.LABEL:<11} missing: {error}", file=sys.stderr)
        return False
    print(f"{service.LABEL:<11} {without_secret(address)} ({how})", flush=True)
    return True


def without_secret(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port}" if parts.hostname else address


def print_url(options: argparse.Namespace) -> int:
    service = SERVICES[options.service]
    address = service.discover(options.scope)
    if address is None:
        raise ServiceMissing(f"{service.LABEL} is not up; start it: python -m scripts.services up {service.NAME}")
    print(address)
    return 0


def bring_down(options: argparse.Namespace) -> int:
    stopped = [service.LABEL for service in SERVICES.values() if service.stop()]
    print(f"Stopped: {', '.join(stopped)}" if stopped else "Nothing of this clone was running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
