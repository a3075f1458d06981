"""``manage.py ocpp_command``: a command to a charge point, typed from its message class."""

import argparse
import getpass
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ocpp_app import errors
from ocpp_app.commands import issue_command
from ocpp_app.management import action_help
from ocppj.assignments import message_from
from ocppj.errors import PayloadError
from ocppj.messages import Request
from ocppj.protocol import ActionSpec

EXAMPLES = """\
examples:
  manage.py ocpp_command CP001 Reset type=Soft --wait
  manage.py ocpp_command CP001 GetConfiguration key=HeartbeatInterval key=WebSocketPingInterval --wait
  manage.py ocpp_command CP001 ChangeAvailability connectorId=0 type=Inoperative --expires-in 3600
  manage.py ocpp_command CP001 DataTransfer --json '{"vendorId": "com.example", "data": "{}"}' --wait

"""
OPTIONS = ["--wait", "--timeout", "--expires-in", "--delay", "--json", "--idempotency-key", "--help"]


class Command(BaseCommand):
    help = (
        "Send a command to a charge point. Fields are named as in the specification. What the message type forbids is "
        "refused; the rest is up to the charge point."
    )

    def run_from_argv(self, argv: list[str]) -> None:
        arguments = argv[2:]
        if "--completion" in arguments:
            self.stdout.write(action_help.completion(OPTIONS), ending="")
            return
        if {"-h", "--help"}.intersection(arguments):
            known = action_help.actions()
            for name in arguments:
                if name in known:
                    self.stdout.write(action_help.listing(known[name]))
                    return
        super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        epilog = EXAMPLES + action_help.overview()
        parser = super().create_parser(prog_name, subcommand, epilog=epilog, **kwargs)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("identity", metavar="CHARGE_POINT", help="its identity, such as CP001")
        parser.add_argument("action", metavar="ACTION", help="such as Reset; ACTION --help lists its fields")
        parser.add_argument(
            "fields", nargs="*", metavar="FIELD=VALUE", help="such as type=Soft or chargingProfile.stackLevel=0"
        )
        parser.add_argument("--json", default="", metavar="OBJECT", help="the payload; FIELD=VALUE goes over it")
        parser.add_argument("--wait", action="store_true", help="wait for the answer and print it")
        parser.add_argument(
            "--timeout", type=float, default=30.0, metavar="S", help="how long to wait (default: %(default)g s)"
        )
        parser.add_argument(
            "--expires-in",
            type=float,
            metavar="S",
            help="let it wait so long for a charge point that is not connected or not accepted",
        )
        parser.add_argument("--delay", type=float, default=0.0, metavar="S", help="not sent earlier than in so many s")
        parser.add_argument(
            "--idempotency-key", default="", metavar="KEY", help="repeated, it gets the same command, not another one"
        )
        parser.add_argument("--completion", action="store_true", help="print a bash completion script")

    def handle(self, *args: Any, **options: Any) -> None:
        message = self._message(options["action"], options["fields"], options["json"])
        expires_in = options["expires_in"]
        common: dict[str, Any] = {
            "expires_at": None if expires_in is None else timezone.now() + timedelta(seconds=expires_in),
            "delay_s": options["delay"],
            "idempotency_key": options["idempotency_key"],
            "source": f"manage.py ocpp_command, {_user()}",
        }
        try:
            if options["wait"]:
                response = issue_command(options["identity"], message, wait=True, timeout=options["timeout"], **common)
                self.stdout.write(msgspec.json.format(msgspec.json.encode(response)).decode())
            else:
                command = issue_command(options["identity"], message, **common)
                command.refresh_from_db()
                self.stdout.write(f"{command.pk} {command.state}")
        except errors.CommandError as error:
            raise CommandError(_with_details(error)) from None

    def _message(self, action: str, fields: Sequence[str], payload: str) -> Request:
        spec = _spec(action)
        try:
            return message_from(spec.request, fields, payload)
        except PayloadError as error:
            raise CommandError(
                f"{spec.action}: {error.description}.\nIts fields: manage.py ocpp_command {spec.action} --help"
            ) from None


def _spec(action: str) -> ActionSpec:
    known = action_help.actions()
    for name, spec in known.items():
        if name.lower() == action.lower():
            return spec
    raise CommandError(f"A central system sends no {action!r}. It sends {', '.join(known)}.")


def _with_details(error: errors.CommandError) -> str:
    details = getattr(error, "details", None)
    return f"{error}\n{msgspec.json.encode(details).decode()}" if details else str(error)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id that has no name
        return "somebody"
