"""``manage.py ocpp_command``: a command to a charge point, or to many, typed from its message class."""

import argparse
import getpass
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ocpp_app import errors
from ocpp_app.command_batches import follow, issue_command_to_many
from ocpp_app.commands import issue_command
from ocpp_app.management import action_help
from ocpp_app.models import ChargePoint, CommandBatch, CommandState
from ocpp_app.models import Command as CommandRow
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
  manage.py ocpp_command --site Depot --model M1 Reset type=Soft --wait
  manage.py ocpp_command --all ClearCache --expires-in 86400

"""
SELECTIONS = {
    "site": ("site__name", "NAME", "of this site"),
    "group": ("groups__name", "NAME", "of this group"),
    "vendor": ("vendor", "VENDOR", "whose BootNotification names this vendor"),
    "model": ("model", "MODEL", "whose BootNotification names this model"),
    "firmware": ("firmware_version", "VERSION", "with this firmware version"),
    "organisation": ("organisation__slug", "SLUG", "of this organisation"),
}
"""Options that choose charge points: the lookup, what stands for the value, and the help."""
OPTIONS = ["--wait", "--timeout", "--expires-in", "--delay", "--json", "--idempotency-key", "--help", "--all"]
OPTIONS += [f"--{name}" for name in SELECTIONS]
USAGE = """manage.py ocpp_command CHARGE_POINT ACTION [FIELD=VALUE ...] [options]
       manage.py ocpp_command (--all | --site NAME | --group NAME | …) ACTION [FIELD=VALUE ...] [options]"""


class Command(BaseCommand):
    help = (
        "Send a command to a charge point, or to many. Fields are named as in the specification. What the message type "
        "forbids is refused; the rest is up to the charge point."
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
        parser.usage = USAGE
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "words",
            nargs="+",
            metavar="WORD",
            help="CHARGE_POINT, its identity, such as CP001, unless options choose several; ACTION, such as Reset "
            "(ACTION --help lists its fields); and its fields, such as type=Soft or chargingProfile.stackLevel=0",
        )
        many = parser.add_argument_group("many charge points", "Those that fit all of these options.")
        many.add_argument("--all", action="store_true", help="every charge point there is")
        for name, (_lookup, metavar, text) in SELECTIONS.items():
            many.add_argument(f"--{name}", default="", metavar=metavar, help=text)
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
        selection = {name: options[name] for name in SELECTIONS if options[name]}
        is_for_many = bool(selection) or options["all"]
        identity, action, fields = _parted(options["words"], is_for_many=is_for_many)
        message = self._message(action, fields, options["json"])
        expires_in = options["expires_in"]
        common: dict[str, Any] = {
            "expires_at": None if expires_in is None else timezone.now() + timedelta(seconds=expires_in),
            "delay_s": options["delay"],
            "idempotency_key": options["idempotency_key"],
            "source": f"manage.py ocpp_command, {_user()}",
        }
        timeout = options["timeout"] if options["wait"] else None
        try:
            if is_for_many:
                self._send_to_many(selection, message, common, timeout)
            else:
                self._send(identity, message, common, timeout)
        except errors.CommandError as error:
            raise CommandError(_with_details(error)) from None

    def _send(self, identity: str, message: Request, common: dict[str, Any], timeout: float | None) -> None:
        if timeout is not None:
            response = issue_command(identity, message, wait=True, timeout=timeout, **common)
            self.stdout.write(msgspec.json.format(msgspec.json.encode(response)).decode())
        else:
            command = issue_command(identity, message, **common)
            command.refresh_from_db()
            self.stdout.write(f"{command.pk} {command.state}")

    def _send_to_many(
        self, selection: dict[str, str], message: Request, common: dict[str, Any], timeout: float | None
    ) -> None:
        chosen = ChargePoint.objects.filter(**{SELECTIONS[name][0]: value for name, value in selection.items()})
        batch = issue_command_to_many(chosen.distinct(), message, selection=selection or {"all": True}, **common)
        if timeout is None:
            batch = CommandBatch.objects.get(pk=batch.pk)
            self.stdout.write(f"{batch.pk} {_counted(batch)}")
            return
        width = max(len(name) for name in batch.commands.values_list("charge_point__identity", flat=True))
        answered = 0
        for command in follow(batch, timeout):
            answered += command.state == CommandState.ANSWERED
            self.stdout.write(f"{command.charge_point.identity:{width}}  {_outcome(command)}")
        if answered < batch.size:
            batch = CommandBatch.objects.get(pk=batch.pk)
            raise CommandError(
                f"{batch.size - answered} of {batch.size} charge points did not answer: {_counted(batch)}."
            )

    def _message(self, action: str, fields: Sequence[str], payload: str) -> Request:
        spec = _spec(action)
        try:
            return message_from(spec.request, fields, payload)
        except PayloadError as error:
            raise CommandError(
                f"{spec.action}: {error.description}.\nIts fields: manage.py ocpp_command {spec.action} --help"
            ) from None


def _parted(words: list[str], *, is_for_many: bool) -> tuple[str, str, list[str]]:
    """Charge point (empty for many), action and fields."""
    identity, rest = ("", words) if is_for_many else (words[0], words[1:])
    if not rest:
        raise CommandError(f"Name the action as well: manage.py ocpp_command {words[0]} ACTION [FIELD=VALUE ...]")
    return identity, rest[0], rest[1:]


def _counted(batch: CommandBatch) -> str:
    return ", ".join(f"{count} {state}" for state, count in batch.states.items())


def _outcome(command: CommandRow) -> str:
    if command.state == CommandState.ANSWERED:
        return command.status or msgspec.json.encode(command.response).decode()
    said = f"{command.error_code} {command.error_description}".strip() or command.reason
    return f"{command.state}: {said}" if said else str(command.state)


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
