"""What the figures were measured on: without it they mean nothing."""

import os
import platform
import statistics
import subprocess
import time
from importlib import metadata
from pathlib import Path

import msgspec
import pika
import psycopg

FSYNC_BYTES = 8192
FSYNC_TIMES = 50
PACKAGES = ("django", "websockets", "aio-pika", "pika", "psycopg", "msgspec", "uvloop")


class Machine(msgspec.Struct):
    """The machine, and the versions of what runs on it."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    packages: dict[str, str]
    commit: str
    rabbitmq: str = ""
    postgresql: str = ""

    def summary(self) -> str:
        """One line."""
        parts = [f"{self.cores} × {self.cpu}", f"{self.memory_gib:.0f} GiB", f"Python {self.python}"]
        servers = [f"RabbitMQ {self.rabbitmq}"] if self.rabbitmq else []
        servers += [f"PostgreSQL {self.postgresql}"] if self.postgresql else []
        packages = [f"{name} {version}" for name, version in self.packages.items()]
        return ", ".join([*parts, *servers, *packages])


def describe(amqp_url: str | None, database_url: str | None) -> Machine:
    """This machine, this clone, and these servers."""
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
        commit=_commit(),
        rabbitmq=_rabbitmq_version(amqp_url) if amqp_url else "",
        postgresql=_postgresql_version(database_url) if database_url else "",
    )


def fsync_ms(folder: Path) -> float:
    """How long it takes this disk to make one page durable: the median of a few, in milliseconds."""
    path = folder / "fsync"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    times = []
    try:
        os.write(descriptor, bytes(FSYNC_BYTES))
        os.fsync(descriptor)
        for _ in range(FSYNC_TIMES):
            os.pwrite(descriptor, os.urandom(FSYNC_BYTES), 0)
            began = time.perf_counter()
            os.fdatasync(descriptor)  # what PostgreSQL and SQLite call on Linux
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times) * 1000


def load_average() -> float:
    """What else keeps this machine busy, as processes ready to run in the last minute."""
    return os.getloadavg()[0]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout.strip()


def _rabbitmq_version(url: str) -> str:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        return str((connection._impl.server_properties or {}).get("version", ""))  # pika has no public way to ask
    finally:
        connection.close()


def _postgresql_version(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]).split()[0] if row else ""
