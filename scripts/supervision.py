"""supervisord: its configuration for a list of programs, and what it says about them."""

import os
import shlex
import sys
from configparser import RawConfigParser
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Error, ServerProxy

from supervisor.xmlrpc import SupervisorTransport


@dataclass(frozen=True)
class Program:
    """One part of the cluster. A late one waits until the others listen."""

    name: str
    command: list[str]
    is_late: bool = False


@dataclass(frozen=True)
class Control:
    """Where supervisord's configuration is, and the socket on which it is asked."""

    configuration: Path
    socket: Path

    def processes(self) -> list[dict[str, Any]]:
        """Every program with name, pid, statename and spawnerr; none while supervisord does not answer."""
        try:
            answer: Any = self._server().supervisor.getAllProcessInfo()
        except (OSError, HTTPException, Error):
            return []
        return list(answer)

    def start(self, name: str) -> None:
        self._server().supervisor.startProcess(name, False)

    def status_lines(self) -> str:
        """A line for each program, for a message."""
        return "\n".join(f"  {process['name']:<12} {process['description']}" for process in self.processes())

    def _server(self) -> ServerProxy:
        return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{self.socket}"))


@dataclass
class Watch:
    """Tells, in a line each, when a program has a new process."""

    control: Control
    pids: dict[str, int] = field(default_factory=dict)

    def report_changes(self) -> None:
        for process in self.control.processes():
            name, pid = process["name"], process["pid"]
            before = self.pids.get(name)
            if process["statename"] == "RUNNING" and pid != before:
                again = f", in place of {before}, which ended" if before else ""
                print(f"  {name:<12} runs as process {pid}{again}", flush=True)
                self.pids[name] = pid


def command(control: Control) -> list[str]:
    """The command line of supervisord, in the foreground."""
    return [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(control.configuration)]


def start_late_programs(control: Control) -> None:
    """Starts what waited for the others."""
    for process in control.processes():
        if process["statename"] == "STOPPED":
            control.start(process["name"])


def write_configuration(control: Control, programs: list[Program], log_dir: Path) -> None:
    """One section per program; environment and folder are supervisord's own, so no secret is written."""
    config = RawConfigParser()
    config["unix_http_server"] = {"file": str(control.socket), "chmod": "0700"}
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    config["supervisorctl"] = {"serverurl": f"unix://{control.socket}"}
    config["supervisord"] = {
        "nodaemon": "true",
        "silent": "true",
        "logfile": f"{log_dir}/supervisord.log",
        "pidfile": f"{control.socket.parent}/supervisord.pid",
        "childlogdir": str(log_dir),
        **({"user": "root"} if os.geteuid() == 0 else {}),
    }
    for priority, program in enumerate(programs, start=1):
        config[f"program:{program.name}"] = program_section(program, priority, log_dir)
    with control.configuration.open("w") as file:
        config.write(file)


def program_section(program: Program, priority: int, log_dir: Path) -> dict[str, str]:
    section = {
        "command": shlex.join(program.command),
        "priority": str(priority),
        "autostart": str(not program.is_late).lower(),
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "1000000",  # it waits longer from one try to the next
        "stopsignal": "TERM",
        "stopwaitsecs": "30",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"{log_dir}/{program.name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "1",
    }
    return {key: value.replace("%", "%%") for key, value in section.items()}
