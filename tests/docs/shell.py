"""Carries out what a page tells a shell, with folders, ports and databases of the test in place of the reader's.

What cannot be carried out here is in ``NOT_CARRIED_OUT``, with the reason and what is checked instead. Everything else
runs, and a program that neither is known is found by the test.
"""

import io
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import yaml
from django.core.management import call_command, get_commands, load_command_class

from scripts.services import postgres
from scripts.services.state import choose_port
from tests import migrated, services
from tests.certificates import RSA, Authority
from tests.docs.pages import ROOT, Block
from tests.e2e.central_system import HOST, Single
from tests.e2e.processes import Process, environment, wait_until
from tests.e2e.test_monitoring import get, number_of
from wsgate.config import read_options

CARRIED_OUT = frozenset({"cp", "createdb", "curl", "make", "mkdir", "openssl", "pg_dump", "pg_restore", "psql"})
"""Programs that are nobody's of ours and run as they are written."""
APART = frozenset({"backup_database", "after_restore", "runcsms"})
"""Commands that are not for a database at which the page's own central system is at work."""
NOT_LINKED = frozenset({"data", "site", "build", "dist"})
MACHINE = re.compile(r"(?<![\w.:/-])/(?=(?:etc|opt|var|backup)\b)")
"""Where an absolute path of the reader's machine begins."""
LEAST_VALUES = ["--set", "host=csms.example.com", "--set", "existingSecret=csms"]
TAGS = "id_tag,note\nCARD-1,Anna has it\n"
TIMEOUT_S = 60

CentralSystemOf = Callable[[], Single]
"""A running one, the first time that it is asked for."""


class Shell:
    """The reader's shell: it stands in a checkout, links to this one; ``/etc`` and the like are folders beside it."""

    def __init__(self, checkout: Path, central_system: CentralSystemOf, *, starts_programs: bool = True) -> None:
        """``starts_programs=False``: only what is for Django's database of this process; the rest runs elsewhere."""
        self._central_system = central_system
        self._starts_programs = starts_programs
        self._ends = ExitStack()
        self.folder = self.checkout = checkout
        self.machine = checkout / ".machine"
        self.machine.mkdir()
        for name in ("etc/systemd/system", "opt", "var", "backup"):
            (self.machine / name).mkdir(parents=True)
        for path in ROOT.iterdir():
            if path.name in (".venv", ".env.example") or not (path.name.startswith(".") or path.name in NOT_LINKED):
                (checkout / path.name).symlink_to(path)
        self.database_url = ""
        """That of the command before; empty: Django's of this process."""
        self._variables: dict[str, str] = {}
        self._names: dict[str, str] = {}
        """What is called otherwise here, lest two tests disturb each other."""

    def close(self) -> None:
        self._ends.close()

    def run(self, block: Block) -> None:
        """Carry out each line behind ``$``; what the page shows below a line is what it says."""
        for line, shown in lines_of(block.text):
            for command in line.split(" && "):
                said = self._carry_out(command, block, shown)
                assert not shown or said.splitlines()[-len(shown) :] == shown, f"{block.place} says {said!r}"

    def _carry_out(self, command: str, block: Block, shown: list[str]) -> str:
        words = shlex.split(command, comments=True)
        variables = {}
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, variables[name] = words.pop(0).partition("=")
        for exception in NOT_CARRIED_OUT:
            if re.match(exception.pattern, shlex.join(words)):
                exception.check(self, words, block)
                return ""
        program = words[0].rpartition("/")[2]
        if program == "cd":
            target = Path(self._here(words[1]))
            self.folder = self.folder / target if (self.folder / target).is_dir() else self.checkout
        elif program == "python" and words[1] == "-m":
            if self._starts_programs:
                self._module(words[2:], variables, block)
        elif program in ("python", "manage.py"):
            arguments = words[words.index("manage.py") + 1 :] if "manage.py" in words else words[1:]
            return self._manage(arguments, variables, block, shown)
        else:
            assert program in CARRIED_OUT, f"{block.place}: nobody carries out {program}"
            if self._starts_programs or program in ("cp", "mkdir"):
                self._execute(command, block)
        return ""

    # -- other people's programs -------------------------------------------------------------------------------------

    def _execute(self, command: str, block: Block) -> None:
        program = shlex.split(command)[0]
        if program in ("pg_dump", "psql", "createdb", "pg_restore"):
            self._have_postgres(program)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(command)], cwd=self.folder,
            env=environment(**self._variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=TIMEOUT_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.place}: {command}\n{done.stdout}{done.stderr}"
        if program == "pg_restore":
            self.database_url = self._variables["DATABASE_URL"].rpartition("/")[0] + f"/{self._names['csms_restored']}"

    def _have_postgres(self, program: str) -> None:
        """The variables that PostgreSQL's programs read, once: a migrated database, and one whose name is free."""
        if shutil.which(program) is None:
            services.give_up(f"{program} is missing; install it: apt-get install postgresql-client")
        if "DATABASE_URL" in self._variables:
            return
        server = services.postgres_url()
        url = self._ends.enter_context(migrated.copied_postgres(migrated.postgres_template(server)))
        parts = urlsplit(url)
        self._names["csms_restored"] = f"ocpp_csms_test_{uuid4().hex[:12]}"
        self._ends.callback(postgres.drop_database, url.rpartition("/")[0] + f"/{self._names['csms_restored']}")
        self._variables |= {
            "DATABASE_URL": url, "PGHOST": str(parts.hostname), "PGPORT": str(parts.port),
            "PGUSER": unquote(parts.username or ""), "PGPASSWORD": unquote(parts.password or ""),
        }  # fmt: skip

    def _here(self, text: str) -> str:
        """The same with what stands for it on this machine."""
        for name, ours in self._names.items():
            text = text.replace(name, ours)
        text = re.sub(r"\b0\.0\.0\.0:\d+", lambda _: f"{HOST}:{choose_port()}", text)
        if "127.0.0.1:" in text:
            system = self._central_system()
            text = text.replace(f"{HOST}:9000", f"{HOST}:{system.ws_ports[0]}")
            text = text.replace(f"{HOST}:8000", f"{HOST}:{system.http_port}")
        return MACHINE.sub(f"{self.machine}/", text)

    # -- ours --------------------------------------------------------------------------------------------------------

    def _manage(self, words: list[str], variables: dict[str, str], block: Block, shown: list[str]) -> str:
        """A command of manage.py; in this process where it is about this process' database. Where the page shows what
        it says, it fails with that."""
        fails = bool(shown)
        name, *arguments = words
        assert name in get_commands(), f"{block.place}: manage.py has no {name}"
        load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)
        if name == "import_tags":
            (self.checkout / "tags.csv").write_text(TAGS)
        is_apart = name in APART or bool(self.database_url) or fails
        if is_apart and not self._starts_programs:
            return "\n".join(shown)
        if name == "backup_database":
            url = migrated.copy_sqlite(migrated.sqlite_template(), self.machine / "csms.sqlite3")
            said = self._manage_apart(words, {**variables, "DATABASE_URL": url}, block, fails=fails)
            self.database_url = f"sqlite:///{self._here(arguments[0])}"
            return said
        if name == "runcsms" and not fails:
            self._serve(["manage.py", *words], variables, block)
            return ""
        if is_apart:
            return self._manage_apart(words, variables, block, fails=fails)
        output = io.StringIO()
        allowed = suppress(SystemExit) if name == "csms_status" else nullcontext()  # so it tells of a problem
        with redirect_stdout(output), allowed:
            call_command(name, *(self._here(word) for word in arguments), stdout=output)
        return output.getvalue()

    def _manage_apart(self, words: list[str], variables: dict[str, str], block: Block, *, fails: bool) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *(self._here(word) for word in words)], cwd=ROOT,
            env=self._environment(variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=TIMEOUT_S,
        )  # fmt: skip
        assert bool(done.returncode) == fails, f"{block.place}: {words}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        url = self.database_url or migrated.copy_sqlite(
            migrated.sqlite_template(), self.machine / "var" / "csms.sqlite3"
        )
        return environment(**{"DATA_DIR": str(self.machine / "var"), "DATABASE_URL": url, **variables})

    def _serve(self, words: list[str], variables: dict[str, str], block: Block) -> None:
        """``runcsms`` starts, answers people and charge points, and stops in good order."""
        given = [self._here(word) for word in words]
        if "--ws" not in given:
            given += ["--ws", f"{HOST}:{choose_port()}", "--http", f"{HOST}:{choose_port()}"]
        process = self._start(given, variables)
        for said in ("Charge points connect to", "is at http"):
            process.wait_for_output(said)
        assert process.stop() == 0, f"{block.place}\n{process.tail()}"

    def _module(self, words: list[str], variables: dict[str, str], block: Block) -> None:
        """``python -m``: the gateway, or the simulator before a running central system."""
        given = [self._here(word) for word in words]
        if words[0] == "wsgate":
            if "--listen" not in words:
                given += ["--listen", f"{HOST}:{choose_port()}"]
            self._make_certificates()
            own = {"WSGATE_AMQP_URL": services.amqp_url(), "WSGATE_QUEUE": f"ocpp.rpc.docs.{uuid4().hex}"}
            gateway = self._start(["-m", *given], {**own, **variables}, self.checkout)
            gateway.wait_for_output("listens on")
            assert gateway.stop() == 0, f"{block.place}\n{gateway.tail()}"
        elif words[0] == "simulator":
            system, count = self._central_system(), int(words[words.index("--count") + 1])
            simulator = self._start(["-m", *given], variables)
            wait_until(
                lambda: number_of("wsgate_connections", get(system.http_port, "/metrics")[1]) >= count,
                f"{block.place}: {count} charge points are connected",
            )
            assert simulator.stop() in (0, 130), f"{block.place}\n{simulator.tail()}"
        else:
            raise AssertionError(f"{block.place}: nobody carries out python -m {words[0]}")

    def _start(self, words: list[str], variables: dict[str, str], folder: Path = ROOT) -> Process:
        command = [sys.executable, *words]
        if folder != ROOT:
            command = ["bash", "-c", f"cd {shlex.quote(str(folder))} && exec {shlex.join(command)}"]
        process = Process(f"docs-{uuid4().hex[:8]}", command, self._environment(variables), self.machine)
        self._ends.callback(process.end)
        return process.start()

    def _make_certificates(self) -> None:
        """Those that docs/security.md names."""
        if (self.checkout / "rsa.pem").exists():
            return
        authority = Authority(self.machine / "authority")
        for name, pair in (("rsa", authority.issue("csms", algorithm=RSA)), ("ecdsa", authority.issue("csms"))):
            shutil.copy(pair.certificate, self.checkout / f"{name}.pem")
            shutil.copy(pair.key, self.checkout / f"{name}.key")
        shutil.copy(authority.certificate, self.checkout / "operators.pem")
        shutil.copy(authority.revocation_list(), self.checkout / "revoked.pem")


def lines_of(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a block, each with the lines that the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            assert found, f"{line!r} stands before any command"
            found[-1][1].append(line)
    return found


# -- what is not carried out -----------------------------------------------------------------------------------------


class Only(NamedTuple):
    """Commands of which only something is checked."""

    pattern: str
    why: str
    check: Callable[[Shell, list[str], Block], object]


def _dry_run(shell: Shell, words: list[str], block: Block) -> None:
    """The Makefile knows the targets and can say what it would do."""
    done = subprocess.run(
        ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, f"{block.place}: {done.stderr}"


def _clone(shell: Shell, words: list[str], block: Block) -> None:
    """Either everything is fetched into a folder, or what is new."""
    assert words[1:] == ["pull"] or words[1:4] == ["clone", "<this", "repository>"], block.place


def _extras(shell: Shell, words: list[str], block: Block) -> None:
    """The package has this name and these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for word in words[2:]:
        name, _, extras = word.partition("[")
        assert name == project["name"], f"{block.place}: {name}"
        unknown = set(filter(None, extras.rstrip("]").split(","))) - set(project["optional-dependencies"])
        assert not unknown, f"{block.place}: there are no extras {unknown}"


def _render(shell: Shell, words: list[str], block: Block) -> None:
    """Helm renders the chart with these options."""
    options = [word for word in words[2:] if word != "--reuse-values"]
    if words[1] == "upgrade":
        options[2:2] = LEAST_VALUES
    homes = {f"HELM_{name}_HOME": str(shell.machine) for name in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(
        [services.helm_path(), "template", *options], cwd=shell.folder, env=environment(**homes),
        capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, f"{block.place}: {done.stderr}"
    for word in words:
        assert "=" not in word or word.partition("=")[2] in done.stdout, f"{block.place}: {word} changes nothing"


def _systemctl(shell: Shell, words: list[str], block: Block) -> None:
    """The units are in deploy/systemd; what the page has copied can be enabled."""
    verb, *units = [word for word in words[1:] if not word.startswith("-")]
    assert verb in ("daemon-reload", "enable", "restart"), f"{block.place}: {verb}"
    for unit in units:
        stem, at, _instance = unit.partition("@")
        names = [unit] if "." in unit else [f"{stem}{at}.service"]
        assert all((ROOT / "deploy" / "systemd" / name).exists() for name in names), f"{block.place}: no unit {unit}"
    if verb == "enable":
        services.systemd_analyze_path()  # systemctl is of the same package
        done = subprocess.run(
            ["systemctl", f"--root={shell.machine}", "enable", *units],
            capture_output=True, text=True, timeout=TIMEOUT_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.place}: {done.stderr}"


def _manage_arguments(shell: Shell, words: list[str], block: Block) -> None:
    name, *arguments = words[words.index("manage.py") + 1 :] if "manage.py" in words else words[1:]
    assert name in get_commands(), f"{block.place}: manage.py has no {name}"
    load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)


DOCKER_OPTIONS = {
    "build": {"--target", "--tag"},
    "run": {"--env", "--publish"},
    "compose build": {"--pull"},
    "compose exec": set[str](),
    "compose run": {"--rm"},
    "compose up": {"--build", "--detach", "--no-deps", "--scale"},
}
"""Of Docker's own command line what our pages use; all of them have been there for years."""


def _docker(shell: Shell, words: list[str], block: Block) -> None:
    """Options, services, stages of the Dockerfile, images, variables and ports are there."""
    verb = " ".join(words[1:3]) if words[1] == "compose" else words[1]
    options = {word for word in words if word.startswith("--") and "=" not in word}
    assert options <= DOCKER_OPTIONS.get(verb, set()), f"{block.place}: docker {verb} {options}"
    dockerfile = (ROOT / "Dockerfile").read_text()
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    valued = {
        option: [words[at + 1] for at, word in enumerate(words) if word == option]
        for option in options & {"--env", "--publish", "--scale", "--target"}
    }
    for target in valued.get("--target", []):
        assert f" AS {target}\n" in dockerfile, f"{block.place}: the Dockerfile has no stage {target}"
    named = [scale.partition("=")[0] for scale in valued.get("--scale", [])]
    if verb in ("compose up", "compose build"):
        named += [word for word in words[3:] if not word.startswith("-") and "=" not in word]
    elif verb.startswith("compose"):
        named += [next(word for word in words[3:] if not word.startswith("-"))]
        if verb == "compose exec":
            _manage_arguments(shell, words[words.index(named[0]) + 1 :], block)
    assert set(named) <= set(compose), f"{block.place}: docker-compose.yml has no {set(named) - set(compose)}"
    if verb == "run":
        images = {service["image"].partition(":")[0] for service in compose.values()}
        assert words[-1] in images, f"{block.place}: nobody builds {words[-1]}"
        read_options([], dict(variable.split("=", 1) for variable in valued["--env"]))
        for ports in valued["--publish"]:
            assert f"EXPOSE {ports.rpartition(':')[2]}\n" in dockerfile, f"{block.place}: {ports}"


NOT_CARRIED_OUT = (
    Only(r"make run\b", "tests/e2e/test_make_run.py does", _dry_run),
    Only(r"make test\b", "this is one of its tests", _dry_run),
    Only(r"make lint\b", "a job of its own in CI", _dry_run),
    Only(r"make (bench|test-faults)\b", "takes many minutes", _dry_run),
    Only(r"git (clone|pull)\b", "CI begins with it; the repository's address is the reader's", _clone),
    Only(r"pip install\b", "tests/package installs the wheel", _extras),
    Only(r"docker ", "needs a Docker engine", _docker),
    Only(r"helm (install|upgrade) ", "needs a cluster; it is rendered", _render),
    Only(r"systemctl ", "needs systemd as process 1; units are enabled in a folder", _systemctl),
    Only(r"\S*deploy/systemd/manage.sh ", "needs systemd as process 1", _manage_arguments),
)
"""Exactly these: see ``test_what_is_not_carried_out_is_what_the_pages_have``."""
