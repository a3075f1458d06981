"""RabbitMQ: found, or started as an own node with its own Erlang port mapper, cookie and virtual hosts."""

import base64
import hashlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pika
import pika.exceptions

from scripts import ports

from . import apt, docker, state
from .errors import ServiceMissing
from .processes import as_account, is_alive, last_lines, make_private_dir, terminate, wait_for

NAME = "rabbitmq"
LABEL = "RabbitMQ"
ACCOUNT = "rabbitmq"
IMAGE = "rabbitmq:4.3.5-alpine"
USUAL = "amqp://guest:guest@localhost:5672/%2F"
# Who uses the own node at the same time must not take the other's frames: each has a virtual host of its own.
VIRTUAL_HOSTS = ("tests", "cluster", "bench")
START_TIMEOUT_S = 90
MAPPER_TIMEOUT_S = 10


def answers(url: str) -> bool:
    """Whether a broker accepts this URL's credentials and virtual host."""
    return probe(url) is None


def probe(url: str) -> str | None:
    """Why the broker at this URL cannot be used, or None when it can."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.blocked_connection_timeout = 5
    parameters.connection_attempts = 1
    try:
        connection = pika.BlockingConnection(parameters)
    except (pika.exceptions.AMQPError, OSError) as error:
        return repr(error)
    try:
        return "a running CSMS consumes ocpp.rpc there" if has_consumers(connection) else None
    finally:
        connection.close()


def has_consumers(connection: pika.BlockingConnection) -> bool:
    """Whether somebody's workers are served by this broker; tests would take their frames."""
    channel = connection.channel()
    try:
        declared = channel.queue_declare("ocpp.rpc", passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return False
    return bool(declared.method.consumer_count)


def discover(scope: str = "tests") -> str | None:
    """The URL of a broker that can be used now, or None. ServiceMissing when TEST_AMQP_URL is set but not usable."""
    if given := os.environ.get("TEST_AMQP_URL"):
        if reason := probe(given):
            raise ServiceMissing(f"TEST_AMQP_URL is set, but that broker cannot be used: {reason}")
        return given
    instance = state.load().get(NAME)
    if instance and is_reachable(instance):
        return url_of(instance, scope)
    return USUAL if answers(USUAL) else None


def is_reachable(instance: state.Instance) -> bool:
    """Whether this clone's own node answers (whoever consumes on it: it is ours)."""
    parameters = pika.URLParameters(url_of(instance, VIRTUAL_HOSTS[0]))
    parameters.socket_timeout = 5
    try:
        pika.BlockingConnection(parameters).close()
    except (pika.exceptions.AMQPError, OSError):
        return False
    return True


def url_of(instance: state.Instance, scope: str) -> str:
    return f"amqp://ocpp:{instance['password']}@127.0.0.1:{instance['port']}/{quote(scope, safe='')}"


def start() -> None:
    """Starts this clone's own node, installing RabbitMQ where that is allowed; ServiceMissing when it cannot."""
    stop()
    if find_server() is None and apt.is_usable():
        apt.install("rabbitmq-server")
    if find_server() is not None:
        start_process()
    elif docker.is_usable():
        start_container()
    else:
        raise apt.explain_missing(LABEL, "rabbitmq-server")


def find_server() -> Path | None:
    """The start script itself: Debian's wrapper in /usr/sbin insists on the one system-wide node."""
    debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if debian.exists():
        return debian
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def start_process() -> None:
    home = state.data_dir() / NAME
    # Nothing in it is worth keeping, and files of another RabbitMQ release could keep it from starting.
    shutil.rmtree(home, ignore_errors=True)
    make_private_dir(home, ACCOUNT)
    instance: state.Instance = {
        "port": state.choose_port(),
        "epmd_port": state.choose_port(),
        "password": secrets.token_urlsafe(16),
    }
    write_configuration(home, instance)
    with (home / "start.log").open("wb") as log:
        server = subprocess.Popen(
            [str(find_server())],
            cwd=home,
            env=environment(home, instance),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **as_account(ACCOUNT),
        )
    ready = wait_for(lambda: is_reachable(instance) or server.poll() is not None, START_TIMEOUT_S)
    if not ready or server.poll() is not None:
        terminate(server.pid)
        log_text = (home / "start.log").read_text(errors="replace")
        raise ServiceMissing(f"RabbitMQ did not start; the end of {home}/start.log:\n{last_lines(log_text)}")
    instance["pid"] = int((home / "pid").read_text())
    state.save(NAME, instance)


def write_configuration(home: Path, instance: state.Instance) -> None:
    """Files only this node reads: /etc/rabbitmq stays out of it, and so do its plugins."""
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{instance['port']}\n"
        f"load_definitions = {home}/definitions.json\n"
        "log.file.level = warning\n"
    )
    (home / "definitions.json").write_text(json.dumps(definitions(instance["password"])))
    (home / "enabled_plugins").write_text("[].\n")
    (home / "rabbitmq-env.conf").write_text("")
    for path in home.iterdir():
        if os.geteuid() == 0:
            shutil.chown(path, ACCOUNT, ACCOUNT)


def definitions(password: str) -> dict[str, object]:
    everything = {"user": "ocpp", "configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [{"name": "ocpp", "tags": "administrator", **hashed(password)}],
        "vhosts": [{"name": name} for name in VIRTUAL_HOSTS],
        "permissions": [{"vhost": name, **everything} for name in VIRTUAL_HOSTS],
    }


def hashed(password: str) -> dict[str, str]:
    """A password as RabbitMQ stores it: base64(salt + SHA-256(salt + password)), 4 bytes of salt."""
    salt = secrets.token_bytes(4)
    digest = salt + hashlib.sha256(salt + password.encode()).digest()
    return {"password_hash": base64.b64encode(digest).decode(), "hashing_algorithm": "rabbit_password_hashing_sha256"}


def environment(home: Path, instance: state.Instance) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin") + ":/usr/sbin:/sbin",
        "HOME": str(home),  # the Erlang cookie is made here
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(instance["epmd_port"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "ocpp@localhost",
        "RABBITMQ_CONF_ENV_FILE": f"{home}/rabbitmq-env.conf",
        "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
        "RABBITMQ_LOG_BASE": f"{home}/log",
        "RABBITMQ_PID_FILE": f"{home}/pid",
        "RABBITMQ_DIST_PORT": str(state.choose_port()),
        # Loopback only; and no busy waiting, which on a small machine takes the CPU from what is being tested.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
        ),
    }


def start_container() -> None:
    instance: state.Instance = {"port": state.choose_port(), "password": secrets.token_urlsafe(16)}
    variables = {
        "RABBITMQ_DEFAULT_USER": "ocpp",
        "RABBITMQ_DEFAULT_PASS": instance["password"],
        "RABBITMQ_DEFAULT_VHOST": VIRTUAL_HOSTS[0],
    }
    instance["container"] = docker.start(NAME, IMAGE, instance["port"], 5672, variables)
    if not wait_for(lambda: is_reachable(instance), START_TIMEOUT_S):
        raise ServiceMissing(f"RabbitMQ did not start; its words: docker logs {instance['container']}")
    for name in VIRTUAL_HOSTS[1:]:
        docker.execute(instance["container"], "rabbitmqctl", "add_vhost", name)
        docker.execute(instance["container"], "rabbitmqctl", "set_permissions", "-p", name, "ocpp", ".*", ".*", ".*")
    state.save(NAME, instance)


def stop() -> bool:
    """Stops this clone's own node and its port mapper; False when there was none."""
    instance = state.load().get(NAME)
    if instance is None:
        return False
    if "container" in instance:
        docker.remove(instance["container"])
    elif is_own(instance["pid"]):
        terminate(instance["pid"])
    stop_port_mapper(instance)
    state.save(NAME, None)
    return True


def is_own(pid: int) -> bool:
    """Whether this process is our node, not a later one with the same number."""
    if not is_alive(pid):
        return False
    return str(state.data_dir() / NAME).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


def stop_port_mapper(instance: state.Instance) -> None:
    """Erlang leaves its port mapper running; ours serves nobody else. It stays while it knows of a node, if only of one
    that has just died, so it is asked until it has gone."""
    epmd = shutil.which("epmd")
    if epmd is None or "epmd_port" not in instance:
        return
    port = instance["epmd_port"]

    def is_gone() -> bool:
        subprocess.run([epmd, "-port", str(port), "-kill"], capture_output=True)
        return not ports.accepts("127.0.0.1", port)

    wait_for(is_gone, MAPPER_TIMEOUT_S)
