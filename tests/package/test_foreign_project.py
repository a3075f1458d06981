"""The package as others get it: built, installed beside nothing of this repository, in a Django project of their own.

What the page tells them to write is what is written here.
"""

import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.services.state import choose_port
from tests.e2e.browser import Browser
from tests.e2e.processes import Process, environment
from tests.e2e.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGE = ROOT / "docs" / "python-project.md"
PACKAGES = ("ocpp_app", "ocppj", "runcsms", "simulator", "wsgate")

USER_MODEL = """
from django.contrib.auth.models import AbstractUser
from django.db import models

class Customer(AbstractUser):
    loyalty = models.IntegerField(default=0)
"""
PREPARE = """
import django
django.setup()
from django.core.management import call_command
call_command("makemigrations", "customers", verbosity=0)
call_command("makemigrations", check=True, verbosity=0)
call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
import ocpp_app, runcsms, wsgate
from django.contrib.auth import get_user_model
from ocpp_app.models import ChargePoint, IdTag
owner = get_user_model().objects.create_superuser("owner", password="a long enough password", loyalty=7)
ChargePoint.objects.create(identity="CP001", security_profile=0)
IdTag.objects.create(id_tag="TAG1", owner=owner)
print(ocpp_app.__file__, wsgate.__file__, runcsms.__file__, owner._meta.label, sep="\\n")
"""


VARIABLES = environment(DJANGO_SETTINGS_MODULE="shop.settings")


@dataclass(frozen=True)
class Built:
    """What ``hatchling build`` makes: the wheel out of the unpacked source distribution."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*build, "-t", "wheel"], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture
def python(built: Built, tmp_path: Path) -> Path:
    """A Python that has the wheel, and from here only what the wheel depends on."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(built.wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True, capture_output=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def snippets(name: str) -> str:
    """The code that README and docs have for this file."""
    found, again = (re.findall(rf"```python\n# {name}\n(.*?)```", page.read_text(), re.S) for page in (README, PAGE))
    assert found, f"README.md shows no {name}"
    assert found == again
    return "\n".join(found)


@pytest.fixture
def project(python: Path, tmp_path: Path) -> Path:
    """``startproject``, a user model of its own, and what the page says."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    run(python, "-m", "django", "startproject", "shop", str(folder))
    (folder / "customers" / "migrations").mkdir(parents=True)
    (folder / "customers" / "__init__.py").touch()
    (folder / "customers" / "migrations" / "__init__.py").touch()
    (folder / "customers" / "models.py").write_text(USER_MODEL)
    settings, urls = folder / "shop" / "settings.py", folder / "shop" / "urls.py"
    own = '\nINSTALLED_APPS += ["customers"]\nAUTH_USER_MODEL = "customers.Customer"\nALLOWED_HOSTS = ["127.0.0.1"]\n'
    settings.write_text(settings.read_text() + own + snippets("settings.py"))
    urls.write_text(urls.read_text().replace("admin/", "back-office/") + snippets("urls.py"))
    return folder


def run(python: Path, *arguments: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        [str(python), *arguments], cwd=folder or python.parent, env=VARIABLES, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(180)
async def test_a_charger_boots_in_a_project_with_its_own_user_model_and_addresses(python: Path, project: Path) -> None:
    *files, user_model = run(python, "-c", PREPARE, folder=project).splitlines()[-4:]
    assert user_model == "customers.Customer"
    assert all(file.startswith(str(python.parent.parent)) for file in files), files
    ws, http = choose_port(), choose_port()
    command = [str(python), str(project / "manage.py"), "runcsms", f"--ws=127.0.0.1:{ws}", f"--http=127.0.0.1:{http}"]
    server = Process("runcsms", command, VARIABLES, project)
    try:
        server.start().wait_for_output(f"The admin is at http://127.0.0.1:{http}/back-office/\n")
        assert f"The console is at http://127.0.0.1:{http}/charging/\n" in server.output()
        async with Wire(f"ws://127.0.0.1:{ws}/ocpp", "CP001") as charger:
            assert (await charger.boot())["status"] == "Accepted"
            start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 0, "timestamp": "2026-11-01T12:00:00Z"}
            assert (await charger.call("StartTransaction", start))["idTagInfo"]["status"] == "Accepted"
        browser = Browser(http)
        assert browser.get("/charging/api/v1/charge-points/")[0] in (401, 403)
        assert 'name="password"' in browser.get("/charging/")[1]
        assert browser.get("/")[0] == 404
        assert server.stop() == 0
    finally:
        server.end()


def test_what_is_built_is_complete_and_nothing_else(built: Built) -> None:
    names = zipfile.ZipFile(built.wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    for data in ("quirks.toml", "console/static/ocpp_console/console.css", "static/ocpp_app/admin.css"):
        assert f"ocpp_app/{data}" in names
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(tracked.stdout.split()) <= set(names)
    with tarfile.open(built.sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "CHANGELOG.md"} <= in_sdist


def test_extras_and_python_are_named(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = wheel.read(name).decode()
    extras = set(re.findall(r"^Provides-Extra: (\S+)", metadata, re.M))
    assert {"gateway", "simulator", "postgres", "production", "uvloop"} <= extras
    assert "Requires-Python: >=3.11" in metadata
    assert not re.search(r"^Requires-Dist: django-ocpp", metadata, re.M)
