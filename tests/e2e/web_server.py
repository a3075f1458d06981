"""The web part of a cluster: waitress, started as the image starts it."""

import json
import re

from scripts.services.state import choose_port
from tests.e2e.central_system import HOST, CentralSystem
from tests.e2e.processes import ROOT

WSGI = "backend.wsgi:application"


def web_options() -> list[str]:
    """What the image gives to waitress, but for where it listens."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    (command,) = re.findall(r'^CMD \["waitress-serve", (.+), "backend.wsgi:application"\]$', dockerfile, re.M)
    return [option for option in json.loads(f"[{command}]") if not option.startswith("--listen")]


def add_web_server(system: CentralSystem) -> int:
    """The web server starts and ends with the system; the port on which it listens."""
    port = choose_port()
    system._process("web", "-m", "waitress", *web_options(), f"--listen={HOST}:{port}", WSGI)
    return port
