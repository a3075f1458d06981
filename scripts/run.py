"""`make run`: the whole central system in one process, with simulated charge points, until Ctrl-C.

The environment says where: HOST, HTTP_PORT, WS_PORT, COUNT and SPEED of the simulator, DATA_DIR.
"""

import os
import subprocess
import sys
from pathlib import Path

from . import ports
from .foreground import Foreground, Part

START_TIMEOUT_S = 60


def main() -> int:
    """The exit code: 0 after Ctrl-C, 1 when a part ended by itself or could not start."""
    host, http_port, ws_port = os.environ["HOST"], int(os.environ["HTTP_PORT"]), int(os.environ["WS_PORT"])
    data_dir = Path(os.environ["DATA_DIR"]).absolute()
    taken = ports.explain_taken(host, {"HTTP_PORT": [http_port], "WS_PORT": [ws_port]}, "run")
    if taken:
        print(taken, file=sys.stderr)
        return 1
    data_dir.mkdir(parents=True, exist_ok=True)
    environment = settings(host, data_dir)
    with Foreground() as foreground:
        print("Preparing the database …", flush=True)
        login = prepare_database(environment)
        if login is None or foreground.stop_asked:
            return 0 if foreground.stop_asked else 1
        csms = Part("The central system", csms_command(host, http_port, ws_port), environment, data_dir / "runcsms.log")
        foreground.start(csms)
        listens = foreground.wait_until(
            lambda: ports.accepts(host, http_port) and ports.accepts(host, ws_port), START_TIMEOUT_S
        )
        if listens:
            print(where_to_look(host, http_port, ws_port, *login, data_dir), flush=True)
            if int(os.environ["COUNT"]):
                foreground.start(Part("The simulator", simulator_command(host, ws_port), environment))
        elif not foreground.ended() and not foreground.stop_asked:
            print(f"The central system does not listen after {START_TIMEOUT_S} s; see {csms.log}", file=sys.stderr)
            return 1
        dead = foreground.wait()
    if dead:
        print(f"\n{dead.describe_end()}\nEverything was stopped.", file=sys.stderr)
        return 1
    print("\nStopped.")
    return 0


def prepare_database(environment: dict[str, str]) -> tuple[str, str] | None:
    """Migrates, and returns the first login (scripts/first_login.py); None when that failed, the reason printed."""
    result = subprocess.run(
        [sys.executable, "-m", "scripts.first_login"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to handle, after the migration
    )
    if result.returncode:
        print("The database could not be prepared; the reason is above.", file=sys.stderr)
        return None
    username, password = result.stdout.split()[-2:]
    return username, password


def settings(host: str, data_dir: Path) -> dict[str, str]:
    """The environment of the central system: what `make run` is for, unless the caller's environment says otherwise."""
    names = ["localhost", "127.0.0.1", "[::1]", ports.shown(host)]
    ours = {
        "DATA_DIR": str(data_dir),
        "HTTPS": "off",
        "ALLOWED_HOSTS": ",".join(names),
        "OCPP_SIMULATOR": "staff",
        "OCPP_WEBSOCKET_URL": f"ws://{{host}}:{os.environ['WS_PORT']}/ocpp",
        "WSGATE_BROWSER_ORIGINS": ",".join(f"http://{name}:{os.environ['HTTP_PORT']}" for name in names),
        "OCPP_UNKNOWN_CHARGE_POINT": "accept",
        "OCPP_UNKNOWN_ID_TAG": "accept",
        "OCPP_CERTIFICATE_SIGNER": "ocpp_app.signers.DevelopmentCA",
        "PYTHONUNBUFFERED": "1",
    }
    return {**ours, **os.environ, "DATA_DIR": str(data_dir), "AMQP_URL": "", "OCPP_RELAY": "memory"}


def csms_command(host: str, http_port: int, ws_port: int) -> list[str]:
    return [sys.executable, "manage.py", "runcsms", "--ws", f"{host}:{ws_port}", "--http", f"{host}:{http_port}"]


def simulator_command(host: str, ws_port: int) -> list[str]:
    url = f"ws://{ports.reachable(host)}:{ws_port}/ocpp"
    options = ["--count", os.environ["COUNT"], "--speed", os.environ["SPEED"]]
    return [sys.executable, "-m", "simulator", "--url", url, *options]


def where_to_look(host: str, http_port: int, ws_port: int, username: str, password: str, data_dir: Path) -> str:
    """The lines that a person needs: admin, login, the address to type into a charger."""
    shown, folder = ports.shown(host), shown_path(data_dir)
    known = f"{username} / {password}   (kept in {folder}/first_login)"
    changed = f"{username}, with the password that you set"
    lines = [
        "",
        "The central system is running.",
        "",
        f"  Console   http://{shown}:{http_port}/   (admin: /admin/)",
        f"  Simulator http://{shown}:{http_port}/demo/ocpp/   (charge points in your browser)",
        f"  Login     {changed if password == '-' else known}",
        f"            another password: .venv/bin/python manage.py changepassword {username}",
        f"  Chargers  ws://{shown}:{ws_port}/ocpp/<identity>   (OCPP 1.6J: type this into your charge point)",
        f"  Data      {folder}/csms.sqlite3, log in {folder}/runcsms.log",
    ]
    if host in ("127.0.0.1", "localhost"):
        lines.append("            only this machine reaches it; for chargers on your network: make run HOST=0.0.0.0")
    if "OCPP_UNKNOWN_CHARGE_POINT" not in os.environ:
        lines.append(
            "  To try it, unknown charge points and idTags are accepted; a site sets OCPP_UNKNOWN_CHARGE_POINT=pending"
        )
        lines.append("  and OCPP_UNKNOWN_ID_TAG=reject.")
    return "\n".join([*lines, "", "Ctrl-C stops everything.", ""])


def shown_path(path: Path) -> str:
    """The path as a person would type it here: relative only where that is shorter."""
    return min(os.path.relpath(path), str(path), key=len)


if __name__ == "__main__":
    sys.exit(main())
