"""``manage.py development_ca``: the certificate of the built-in development CA, for gateways to trust."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from ocpp_app.signers import DevelopmentCA


class Command(BaseCommand):
    help = (
        "Print the PEM certificate of the development CA, which is made on first use. Give it to a gateway "
        "(--client-ca) to let charge points in with the certificates that it has signed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, metavar="FILE", help="write it there instead")

    def handle(self, *args: Any, **options: Any) -> None:
        certificate = DevelopmentCA().certificate()
        if options["output"] is None:
            self.stdout.write(certificate, ending="")
        else:
            options["output"].write_text(certificate)
