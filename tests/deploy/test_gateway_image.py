"""The gateway's own image: what the Dockerfile copies and installs there is enough, and nothing of Django is in it."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.services.state import choose_port
from tests.e2e.processes import Process, environment

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "gateway.txt"


def stage(name: str) -> list[str]:
    """The lines of one stage of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    (body,) = re.findall(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", text, re.M | re.S)
    return str(body).splitlines()


def locked() -> dict[str, Requirement]:
    lines = [line.rstrip(" \\") for line in LOCK.read_text().splitlines() if line[:1].isalnum()]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the image has: /app and the installed packages, each a link to what is installed here."""
    folder = tmp_path_factory.mktemp("image")
    packages = folder / "packages"
    packages.mkdir()
    for requirement in locked().values():
        if requirement.marker is None or requirement.marker.evaluate():
            files = metadata.distribution(requirement.name).files or []
            for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
                link = packages / top
                if not link.exists():
                    link.symlink_to(metadata.distribution(requirement.name).locate_file(top))
    app = folder / "app"
    app.mkdir()
    for line in stage("gateway"):
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                (app / source).symlink_to(ROOT / source)
    return folder


def test_versions_are_those_that_everything_else_has() -> None:
    assert {"aio-pika", "msgspec", "websockets", "uvloop"} <= set(locked())
    assert not {"django", "pika", "djangorestframework", "psycopg"} & set(locked())
    for name, requirement in locked().items():
        if requirement.marker is None or requirement.marker.evaluate():
            assert metadata.version(name) in requirement.specifier, name


def test_gateway_runs_with_nothing_else(image: Path, amqp_url: str, tmp_path: Path) -> None:
    """-I -S: neither the environment's folders nor site-packages; only what the image has."""
    (command,) = [line for line in stage("gateway") if line.startswith("CMD ")]
    words = json.loads(command.removeprefix("CMD "))
    assert words[:3] == ["python", "-m", "wsgate"]
    start = (
        f"import sys; sys.path[:0] = [{str(image / 'app')!r}, {str(image / 'packages')!r}]; import runpy; "
        "sys.argv = ['wsgate', *sys.argv[1:]]; runpy.run_module('wsgate', run_name='__main__')"
    )
    port = choose_port()
    options = ["--listen", f"127.0.0.1:{port}"]
    variables = environment(WSGATE_AMQP_URL=amqp_url, WSGATE_QUEUE=f"ocpp.rpc.image.{port}")
    gateway = Process("gateway", [sys.executable, "-I", "-S", "-c", start, *options], variables, tmp_path)
    gateway.start()
    try:
        gateway.wait_for_output("listens on")
        gateway.wait_for_output("Connected to the broker")
        (check,) = [line for line in stage("gateway") if line.startswith("HEALTHCHECK ")]
        probe = json.loads(check.partition(" CMD ")[2])
        asked = [word.replace(":9000", f":{port}") for word in probe[1:]]
        done = subprocess.run(
            [sys.executable, "-I", "-S", *asked], cwd=image / "app", capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert gateway.stop() == 0
    finally:
        gateway.end()


def test_what_is_not_in_the_image_cannot_be_imported(image: Path) -> None:
    """The test above would notice: Django is nowhere to be found from there."""
    code = f"import sys; sys.path[:0] = [{str(image / 'app')!r}, {str(image / 'packages')!r}]; import django"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30)
    assert "No module named 'django'" in done.stderr
