"""Checks docker-compose.yml, Dockerfile, .env.example and the workflows as far as that goes without a Docker engine.

Where `docker compose` is installed, its own parser reads the file first. The rest is what would only show at run time:
a health check or a restart policy that is missing, a dependency, volume, network or file that does not exist, a
floating image tag, a variable that .env.example does not explain, a service that cannot be scaled, less time to stop
than the program takes.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from wsgate.config import Config, command_line

EXPECTED_SERVICES = {"rabbitmq", "postgres", "migrate", "web", "worker", "events", "wsgate", "proxy"}
SCALED_SERVICES = {"web", "worker", "wsgate"}
SERVICE_KEYS = {
    "build", "cap_add", "cap_drop", "command", "depends_on", "env_file", "environment", "healthcheck", "hostname",
    "image", "init", "networks", "ports", "restart", "security_opt", "stop_grace_period", "stop_signal", "volumes",
}  # fmt: skip
DJANGO_SERVICES = ("migrate", "web", "worker", "events")
TRACING = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED")
FIXED = {"WSGATE_LISTEN"}
"""The image says where the gateway listens, for the proxy to find it."""
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
DURATION = re.compile(r"(\d+(h|m|s|ms))+")
VARIABLE = re.compile(r"\$\{(\w+)(:[-?])?")
ACTION = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
"""A tag can be moved to other code, the hash of a commit cannot."""
IMAGE = re.compile(
    r"(?:[\w./-]*/)?(?:[\w-]+:v?\d+\.\d+\.\d+[\w.-]*|postgres:\d+\.\d+[\w.-]*|[^@\s]+@sha256:[0-9a-f]{64})"
)
"""An exact version (PostgreSQL's have two numbers), or a digest: python:3.13 is another image every month."""
NO_TIME = "10s"
"""What a service has to stop that says nothing else."""


def stop_times() -> dict[str, float]:
    """How long each program may take to stop in good order, in seconds, from its own code."""
    commands = Path("ocpp_app/management/commands")
    gateway = Config()
    return {
        "wsgate": gateway.drain_s + gateway.goodbye_s,
        "worker": _constant(commands / "consume_rpc_queue.py", "STOP_WITHIN_S"),
        "events": _constant(commands / "deliver_events.py", "STOP_WITHIN_S")
        + _constant(Path("ocpp_app/events/delivery.py"), "STOP_WITHIN_S"),
    }


def _constant(path: Path, name: str) -> float:
    (value,) = re.findall(rf"^{name} = ([\d.]+)$", path.read_text(), re.M)
    return float(value)


def seconds(duration: str) -> float:
    """A duration of Compose, such as 1m30s."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|h|m|s)", duration))


def main() -> int:
    """The exit code: 0 when nothing was found, else 1, each finding on a line."""
    text = Path("docker-compose.yml").read_text()
    compose: dict[str, Any] = yaml.safe_load(text)
    findings = [
        *check_with_docker(),
        *check_services(compose),
        *check_variables(text),
        *check_dockerfile(),
        *check_workflows(),
    ]
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


def check_with_docker() -> Iterator[str]:
    """What docker compose itself says, with every empty variable of .env.example filled in."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        return
    with tempfile.NamedTemporaryFile("w", suffix=".env") as settings:
        settings.write(re.sub(r"(?m)^(\w+)=$", r"\1=filled-in", Path(".env.example").read_text()))
        settings.flush()
        command = ["docker", "compose", "--env-file", settings.name, "config", "--quiet"]
        result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        yield result.stderr.strip()


def check_services(compose: dict[str, Any]) -> Iterator[str]:
    services = compose["services"]
    if missing := EXPECTED_SERVICES - set(services):
        yield f"docker-compose.yml: no service {', '.join(sorted(missing))}"
    for name, service in services.items():
        for finding in check_service(name, service, compose):
            yield f"docker-compose.yml: {name}: {finding}"
    yield from check_settings(services)


def check_settings(services: dict[str, Any]) -> Iterator[str]:
    """Whatever may be set in .env reaches the programs: the file those of Django, each name the gateway."""
    for name in DJANGO_SERVICES:
        if ".env" not in [entry["path"] for entry in services[name].get("env_file", [])]:
            yield f"docker-compose.yml: {name}: settings in .env do not reach it"
    options = {f"WSGATE_{action.dest.upper()}" for action in command_line()._actions if action.dest != "help"}
    if missing := {*options, *TRACING} - FIXED - set(services["wsgate"]["environment"]):
        yield f"docker-compose.yml: wsgate: {', '.join(sorted(missing))} cannot be set in .env"


def check_service(name: str, service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    if unknown := set(service) - SERVICE_KEYS:
        yield f"unknown key {', '.join(sorted(unknown))}"
    yield from check_image(service["image"])
    if "restart" not in service:
        yield "no restart policy"
    if "test" not in service.get("healthcheck", {}) and service["restart"] != "no":
        yield "no health check"
    yield from check_durations(service)
    yield from check_dependencies(service, compose["services"])
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            if not Path(source).exists():
                yield f"volume {source}: there is no such file"
        elif source not in compose.get("volumes", {}):
            yield f"volume {source} is not declared"
    for network in service.get("networks", ["default"]):
        if network not in compose.get("networks", {}):
            yield f"network {network} is not declared"
    target = service.get("build", {}).get("target")
    if target and f" AS {target}\n" not in Path("Dockerfile").read_text():
        yield f"build: the Dockerfile has no stage {target}"
    needed, given = stop_times().get(name, 0.0), seconds(service.get("stop_grace_period", NO_TIME))
    if given < needed + 5:
        yield f"stop_grace_period {given:g} s is too short: it takes up to {needed:g} s to stop"
    if name in SCALED_SERVICES and ("ports" in service or "container_name" in service or "hostname" in service):
        yield "a port, name or host name of its own forbids --scale"
    for word in service.get("command", []):
        if word.endswith(".py") and not Path(word).exists():
            yield f"command: {word} does not exist"
    for word in service.get("healthcheck", {}).get("test", []):
        if word.endswith(".py") and not Path(word).exists():
            yield f"health check: {word} does not exist"


def check_image(image: str) -> Iterator[str]:
    if not IMAGE.fullmatch(image):
        yield f"image {image} is not pinned: give its exact version, such as 3.13.11, or its digest"


def check_durations(service: dict[str, Any]) -> Iterator[str]:
    check = service.get("healthcheck", {})
    durations = [check.get(key) for key in ("interval", "timeout", "start_period")] + [service.get("stop_grace_period")]
    for value in durations:
        if value is not None and not DURATION.fullmatch(value):
            yield f"{value!r} is not a duration"


def check_dependencies(service: dict[str, Any], services: dict[str, Any]) -> Iterator[str]:
    for other, how in service.get("depends_on", {}).items():
        if other not in services:
            yield f"depends on {other}, which does not exist"
        elif how["condition"] not in CONDITIONS:
            yield f"depends on {other}: unknown condition {how['condition']}"
        elif how["condition"] == "service_healthy" and "test" not in services[other].get("healthcheck", {}):
            yield f"waits for {other} to be healthy, which has no health check"


def check_variables(text: str) -> Iterator[str]:
    """Variables that must be set stand in .env.example; all others have a default."""
    example = Path(".env.example").read_text()
    for name, rest in VARIABLE.findall(text):
        if not rest:
            yield f"docker-compose.yml: ${{{name}}} has neither a default nor a message"
        elif rest.startswith(":?") and f"{name}=" not in example:
            yield f".env.example: {name} is missing"


def check_dockerfile() -> Iterator[str]:
    """What is copied exists and is let through by .dockerignore; the last user is not root."""
    let_through = {
        line[1:].rstrip("/") for line in Path(".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    user, stages = "root", set[str]()
    for line in Path("Dockerfile").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "USER":
            user = rest
        if word == "FROM":
            user = "root"
            base, _, stage = rest.partition(" AS ")
            if base not in stages:
                yield from (f"Dockerfile: {finding}" for finding in check_image(base))
            stages.add(stage)
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                if not Path(source).exists():
                    yield f"Dockerfile: COPY {source}: there is no such file"
                if source not in let_through:
                    yield f"Dockerfile: COPY {source}: .dockerignore keeps it out"
    if user == "root":
        yield "Dockerfile: runs as root"


def check_workflows() -> Iterator[str]:
    for file in sorted(Path(".github/workflows").glob("*.y*ml")):
        yield from check_workflow(file.name, file.read_text())


def check_workflow(name: str, text: str) -> Iterator[str]:
    """Actions are pinned by the full hash of a commit, images by their exact version, for each entry of a matrix."""
    for job in yaml.safe_load(text)["jobs"].values():
        container = job.get("container", {})
        images = [container if isinstance(container, str) else container.get("image")]
        images += [service["image"] for service in job.get("services", {}).values()]
        for image in (one for named in images if named for one in spread(named, job)):
            yield from (f"{name}: {finding}" for finding in check_image(image))
        for used in [job.get("uses"), *(step.get("uses") for step in job.get("steps") or ())]:
            if used and used.startswith("docker://"):
                yield from (f"{name}: {finding}" for finding in check_image(used.removeprefix("docker://")))
            elif used and not used.startswith("./") and not ACTION.fullmatch(used):
                yield f"{name}: action {used} is not pinned: give the full hash of a commit"


def spread(image: str, job: dict[str, Any]) -> list[str]:
    """The image for each value of the variable of the matrix that it names."""
    found = re.search(r"\$\{\{ *matrix\.(\w+) *\}\}", image)
    if found is None:
        return [image]
    return [image.replace(found[0], str(value)) for value in job["strategy"]["matrix"][found[1]]]


if __name__ == "__main__":
    sys.exit(main())
