"""`make cluster`: the topology of docker-compose.yml without Docker, until Ctrl-C.

Two gateways, a worker with two processes, the delivery of events, the web server, RabbitMQ and PostgreSQL
(scripts/services), and simulated charge points spread over both gateways. supervisord starts a part that died again;
each start is told in a line.
The environment says where: HOST, HTTP_PORT, WS_PORT (and the one after it), COUNT and SPEED of the simulator, DATA_DIR.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import ports, supervision
from .foreground import Foreground, Part
from .run import prepare_database, settings, shown_path
from .services import postgres, rabbitmq
from .services.errors import ServiceMissing

UPLOAD_BYTES, FORM_BYTES = 100 * 1024 * 1024, 1 << 16
"""The default of OCPP_UPLOAD_MAX_BYTES, and what a form adds: a body is kept in a file before anybody may refuse it."""
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60
GATEWAYS = 2
WORKER_PROCESSES = 2


def main() -> int:
    """The exit code: 0 after Ctrl-C, 1 when something could not start or supervisord ended by itself."""
    host, http_port, ws_port = os.environ["HOST"], int(os.environ["HTTP_PORT"]), int(os.environ["WS_PORT"])
    gateway_ports = [ws_port + number for number in range(GATEWAYS)]
    data_dir = Path(os.environ["DATA_DIR"]).absolute() / "cluster"
    if taken := ports.explain_taken(host, {"HTTP_PORT": [http_port], "WS_PORT": gateway_ports}, "cluster"):
        print(taken, file=sys.stderr)
        return 1
    environment = cluster_settings(host, data_dir)
    if environment is None:
        return 1
    data_dir.mkdir(parents=True, exist_ok=True)
    # Not in data_dir: the path of a unix socket may have no more than 107 characters.
    run_dir = Path(tempfile.mkdtemp(prefix="ocpp-csms-cluster-"))
    try:
        return run_cluster(host, http_port, gateway_ports, data_dir, run_dir, environment)
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


def cluster_settings(host: str, data_dir: Path) -> dict[str, str] | None:
    """The environment of all parts; None when RabbitMQ or PostgreSQL is missing, the reason printed."""
    command = [sys.executable, "-m", "scripts.services", "up", "rabbitmq", "postgres"]
    if subprocess.run(command, env={**os.environ, "CI": "true"}).returncode:  # CI: what is missing is an error
        return None
    try:
        amqp_url, database_url = rabbitmq.discover("cluster"), postgres.discover("cluster")
    except ServiceMissing as error:
        print(error, file=sys.stderr)
        return None
    if amqp_url is None or database_url is None:
        print("RabbitMQ or PostgreSQL has just gone away; run the same command again.", file=sys.stderr)
        return None
    ours = {"AMQP_URL": amqp_url, "OCPP_RELAY": "amqp", "DATABASE_URL": database_url, "WSGATE_AMQP_URL": amqp_url}
    return {**settings(host, data_dir), **ours}


def run_cluster(
    host: str, http_port: int, gateway_ports: list[int], data_dir: Path, run_dir: Path, environment: dict[str, str]
) -> int:
    """Starts all parts under supervisord, tells where they are, and waits for Ctrl-C; the exit code."""
    programs = cluster_programs(host, http_port, gateway_ports)
    control = supervision.Control(data_dir / "supervisord.conf", run_dir / "supervisor.sock")
    supervision.write_configuration(control, programs, data_dir)
    with Foreground() as foreground:
        print("Preparing the database …", flush=True)
        login = prepare_database(environment)
        if login is None or foreground.stop_asked:
            return 0 if foreground.stop_asked else 1
        command = supervision.command(control)
        supervisor = Part("supervisord", command, environment, data_dir / "supervisord.out", STOP_TIMEOUT_S)
        foreground.start(supervisor)
        wanted = [http_port, *gateway_ports]
        if foreground.wait_until(lambda: all(ports.accepts(host, port) for port in wanted), START_TIMEOUT_S):
            print(where_to_look(host, http_port, gateway_ports, login, data_dir), flush=True)
            supervision.start_late_programs(control)
        elif not foreground.ended() and not foreground.stop_asked:
            print(f"Not all parts listen after {START_TIMEOUT_S} s:\n{control.status_lines()}", file=sys.stderr)
            print(f"Their logs are in {shown_path(data_dir)}/", file=sys.stderr)
            return 1
        dead = foreground.wait(supervision.Watch(control).report_changes)
    if dead:
        print(f"\n{dead.describe_end()}", file=sys.stderr)
        return 1
    print("\nStopped. RabbitMQ and PostgreSQL stay for the next run; `make stop-services` stops them.")
    return 0


def cluster_programs(host: str, http_port: int, gateway_ports: list[int]) -> list[supervision.Program]:
    """All parts, in the order in which they start; they are stopped the other way round."""
    python, count, speed = sys.executable, int(os.environ["COUNT"]), os.environ["SPEED"]
    worker = [python, "manage.py", "consume_rpc_queue", "--processes", str(WORKER_PROCESSES)]
    serve = [str(Path(python).with_name("waitress-serve")), "--no-clear-untrusted-proxy-headers"]
    serve.append(f"--max-request-body-size={int(os.environ.get('OCPP_UPLOAD_MAX_BYTES', UPLOAD_BYTES)) + FORM_BYTES}")
    web = [*serve, f"--listen={host}:{http_port}", "backend.wsgi:application"]
    events = [python, "manage.py", "deliver_events"]
    programs = [
        supervision.Program("worker", worker),
        supervision.Program("events", events),
        supervision.Program("web", web),
    ]
    for number, port in enumerate(gateway_ports, start=1):
        gateway = [python, "-m", "wsgate", "--listen", f"{host}:{port}", "--name", f"gateway-{number}"]
        programs.append(supervision.Program(f"gateway-{number}", gateway))
    for number, port in enumerate(gateway_ports, start=1):
        share = (count + GATEWAYS - number) // GATEWAYS  # 5 charge points: 3 and 2
        url = f"ws://{ports.reachable(host)}:{port}/ocpp"
        simulator = [python, "-m", "simulator", "--url", url, "--count", str(share), "--speed", speed]
        simulator += ["--prefix", f"SIM{number}-"]
        if share:
            programs.append(supervision.Program(f"simulator-{number}", simulator, is_late=True))
    return programs


def where_to_look(host: str, http_port: int, gateway_ports: list[int], login: tuple[str, str], data_dir: Path) -> str:
    """The lines that a person needs."""
    shown, folder, (username, password) = ports.shown(host), shown_path(data_dir), login
    known = f"{username} / {password}   (kept in {folder}/first_login)"
    addresses = [f"ws://{shown}:{port}/ocpp/<identity>" for port in gateway_ports]
    lines = [
        "",
        "The cluster is running; a part that dies is started again.",
        "",
        f"  Admin     http://{shown}:{http_port}/admin/",
        f"  Login     {f'{username}, with the password that you set' if password == '-' else known}",
        f"  Chargers  {(os.linesep + ' ' * 12).join(addresses)}",
        f"  Charging  tail -f {folder}/simulator-*.log",
        f"  Logs      {folder}/*.log",
        "  Parts     make cluster-status; try it: kill -9 one of them",
    ]
    return "\n".join([*lines, "", "Ctrl-C stops everything.", ""])


if __name__ == "__main__":
    sys.exit(main())
