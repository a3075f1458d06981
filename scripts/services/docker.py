"""The last resort: a service in a container, where an engine answers and nothing can be installed."""

import shutil
import subprocess

from .processes import run
from .state import clone_id


def is_usable() -> bool:
    """Whether a Docker engine answers (the client alone is not enough)."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def container_name(service: str) -> str:
    return f"ocpp-csms-{clone_id()}-{service}"


def start(service: str, image: str, port: int, inner_port: int, environment: dict[str, str]) -> str:
    """Starts a container that listens on 127.0.0.1:port, in place of an older one; returns its name."""
    name = container_name(service)
    remove(name)
    variables = [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
    publish = f"127.0.0.1:{port}:{inner_port}"
    run(
        ["docker", "run", "--detach", "--name", name, "--publish", publish, *variables, image],
        what=f"docker run {image}",
    )
    return name


def execute(name: str, *command: str) -> None:
    """Runs a command inside a container."""
    run(["docker", "exec", name, *command], what=f"docker exec {' '.join(command)}")


def remove(name: str) -> None:
    """Stops and removes a container, if there is one of this name."""
    subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, stdin=subprocess.DEVNULL)
