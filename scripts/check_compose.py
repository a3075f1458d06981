"""Checks docker-compose.yml, Dockerfile and .env.example as far as that goes without a Docker engine.

Where `docker compose` is installed, its own parser reads the file first. The rest is what would only show at run time:
a health check or a restart policy that is missing, a dependency, volume or file that does not exist, a floating image
tag, a variable that .env.example does not explain.
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

EXPECTED_SERVICES = {"rabbitmq", "postgres", "migrate", "web", "worker", "events", "gateway"}
SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "hostname", "image", "init", "ports",
    "restart", "security_opt", "stop_grace_period", "volumes",
}  # fmt: skip
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
DURATION = re.compile(r"(\d+(h|m|s|ms))+")
VARIABLE = re.compile(r"\$\{(\w+)(:[-?][^}]*)?\}")


def main() -> int:
    """The exit code: 0 when nothing was found, else 1, each finding on a line."""
    text = Path("docker-compose.yml").read_text()
    compose: dict[str, Any] = yaml.safe_load(text)
    findings = [*check_with_docker(), *check_services(compose), *check_variables(text), *check_dockerfile()]
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


def check_service(name: str, service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    if unknown := set(service) - SERVICE_KEYS:
        yield f"unknown key {', '.join(sorted(unknown))}"
    if ":" not in service["image"] or service["image"].endswith(":latest"):
        yield f"image {service['image']} needs a tag that stays"
    if "restart" not in service:
        yield "no restart policy"
    if "test" not in service.get("healthcheck", {}) and service["restart"] != "no":
        yield "no health check"
    yield from check_durations(service)
    yield from check_dependencies(service, compose["services"])
    for mount in service.get("volumes", []):
        if mount.split(":")[0] not in compose.get("volumes", {}):
            yield f"volume {mount.split(':')[0]} is not declared"
    for word in service.get("command", []):
        if word.endswith(".py") and not Path(word).exists():
            yield f"command: {word} does not exist"
    for word in service.get("healthcheck", {}).get("test", []):
        if word.endswith(".py") and not Path(word).exists():
            yield f"health check: {word} does not exist"
    if "deploy" not in service and "container_name" in service:
        yield "container_name forbids --scale"


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
    user = "root"
    for line in Path("Dockerfile").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "USER":
            user = rest
        if word == "FROM":
            user = "root"
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                if not Path(source).exists():
                    yield f"Dockerfile: COPY {source}: there is no such file"
                if source not in let_through:
                    yield f"Dockerfile: COPY {source}: .dockerignore keeps it out"
    if user == "root":
        yield "Dockerfile: runs as root"


if __name__ == "__main__":
    sys.exit(main())
