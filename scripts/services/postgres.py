"""PostgreSQL: found, or started as an own cluster of databases with its own port and password."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from . import apt, docker, state
from .errors import ServiceMissing
from .processes import as_account, last_lines, make_private_dir, run, wait_for

NAME = "postgres"
LABEL = "PostgreSQL"
ACCOUNT = "postgres"
IMAGE = "postgres:17.10-alpine"
USUAL = "postgresql://postgres:postgres@localhost:5432/postgres"
START_TIMEOUT_S = 60


def probe(url: str) -> str | None:
    """Why the server at this URL cannot be used, or None when it can."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        return str(error).strip()
    return None if row and row[0] else "its user may not create databases"


def answers(url: str) -> bool:
    """Whether a server accepts this URL's credentials and lets us create databases."""
    return probe(url) is None


def discover(scope: str = "tests") -> str | None:
    """The URL of a database of this name that exists now, or None when there is no server.

    ServiceMissing when TEST_DATABASE_URL is set but not usable.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        if reason := probe(given):
            raise ServiceMissing(f"TEST_DATABASE_URL is set, but that server cannot be used: {reason}")
        return create_database(given, f"ocpp_csms_{scope}")
    instance = state.load().get(NAME)
    for url in ([url_of(instance)] if instance else []) + [USUAL]:
        if answers(url):
            return create_database(url, f"ocpp_csms_{scope}")
    return None


def url_of(instance: state.Instance) -> str:
    return f"postgresql://ocpp:{instance['password']}@127.0.0.1:{instance['port']}/postgres"


def with_database(url: str, name: str) -> str:
    """The same server and credentials, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def name_of(url: str) -> str:
    """The database that a URL names."""
    return urlsplit(url).path.lstrip("/")


def create_database(url: str, name: str) -> str:
    """Creates the database unless it is there; returns its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return with_database(url, name)


def drop_database(url: str) -> None:
    """Drops the database that this URL names, and throws out who is still connected."""
    name = name_of(url)
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def start() -> None:
    """Starts this clone's own server, installing PostgreSQL where that is allowed; ServiceMissing when it cannot."""
    if find_programs() is None and apt.is_usable():
        apt.install("postgresql")
    programs = find_programs()
    if programs is not None:
        start_process(programs)
    elif docker.is_usable():
        start_container()
    else:
        raise apt.explain_missing(LABEL, "postgresql")


def find_programs() -> Path | None:
    """The folder with initdb and pg_ctl, of the newest release installed."""
    releases = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    if releases:
        return releases[-1].parent
    found = shutil.which("pg_ctl")
    return Path(found).resolve().parent if found and shutil.which("initdb") else None


def start_process(programs: Path) -> None:
    release = run([str(programs / "postgres"), "--version"], what="postgres --version").split()[2].split(".")[0]
    home = make_private_dir(state.data_dir() / f"{NAME}-{release}", ACCOUNT)
    instance = state.load().get(NAME, {})
    if not (home / "data" / "PG_VERSION").exists() or instance.get("home") != str(home):
        instance = initialise(programs, home)
    instance["port"] = state.choose_port(instance.get("port"))
    options = (
        f"-p {instance['port']} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300"
    )
    try:
        pg_ctl(programs, home, "start", "-l", str(home / "log"), "-o", options)
    except ServiceMissing as error:
        log_text = (home / "log").read_text(errors="replace") if (home / "log").exists() else ""
        raise ServiceMissing(f"{error}\nThe end of {home}/log:\n{last_lines(log_text)}") from error
    instance["pid"] = int((home / "data" / "postmaster.pid").read_text().split()[0])
    state.save(NAME, instance)


def initialise(programs: Path, home: Path) -> state.Instance:
    """Makes an empty cluster of databases; its only user has a password of its own."""
    shutil.rmtree(home / "data", ignore_errors=True)
    password = secrets.token_urlsafe(16)
    secret = home / "password"
    secret.write_text(password)
    if os.geteuid() == 0:
        shutil.chown(secret, ACCOUNT, ACCOUNT)
    command = [str(programs / "initdb"), "--pgdata", str(home / "data"), "--username=ocpp", "--auth=scram-sha-256"]
    command += ["--encoding=UTF8", "--locale=C.UTF-8", f"--pwfile={secret}"]
    run(command, what="initdb", cwd=home, **as_account(ACCOUNT))
    secret.unlink()
    return {"home": str(home), "programs": str(programs), "password": password}


def pg_ctl(programs: Path, home: Path, *words: str) -> None:
    """Runs pg_ctl and waits for it; ServiceMissing with its words when it fails."""
    command = [str(programs / "pg_ctl"), "-D", str(home / "data"), "-w", "-t", str(START_TIMEOUT_S), *words]
    # Into a file, not a pipe: the server inherits it, and a reader of a pipe would wait until the server ends.
    with (home / "pg_ctl.log").open("w+") as output:
        status = subprocess.call(
            command,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **as_account(ACCOUNT),
        )
        output.seek(0)
        if status:
            raise ServiceMissing(f"pg_ctl {words[0]} failed:\n{last_lines(output.read())}")


def start_container() -> None:
    instance: state.Instance = {"port": state.choose_port(), "password": secrets.token_urlsafe(16)}
    variables = {"POSTGRES_USER": "ocpp", "POSTGRES_PASSWORD": instance["password"], "POSTGRES_DB": "postgres"}
    instance["container"] = docker.start(NAME, IMAGE, instance["port"], 5432, variables)
    if not wait_for(lambda: answers(url_of(instance)), START_TIMEOUT_S):
        raise ServiceMissing(f"PostgreSQL did not start; its words: docker logs {instance['container']}")
    state.save(NAME, instance)


def stop() -> bool:
    """Stops this clone's own server, its data kept for the next start; False when there was none running."""
    instance = state.load().get(NAME)
    if instance is None:
        return False
    if "container" in instance:
        docker.remove(instance["container"])
        state.save(NAME, None)
        return True
    if not is_running(Path(instance["programs"]), Path(instance["home"])):
        return False
    pg_ctl(Path(instance["programs"]), Path(instance["home"]), "stop", "-m", "fast")
    return True


def is_running(programs: Path, home: Path) -> bool:
    """Whether the server of this folder runs, by pg_ctl's own account."""
    try:
        pg_ctl(programs, home, "status")
    except ServiceMissing:
        return False
    return True
