"""A backup that was made while charge points charged, restored for good: nothing is missing, nothing is done twice."""

import os
import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ocpp_app import leases, outbound
from ocpp_app.models import ChargePoint, Command, CommandState, IdTag, MeterValue, Session, Transaction
from ocpp_app.rpc import housekeeping
from ocppj.v16 import RemoteStartTransactionRequest
from tests.ocpp_app.charging import Charging
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


class Load(threading.Thread):
    """Another charge point that sends one meter value after the other."""

    def __init__(self, charging: Charging) -> None:
        super().__init__()
        self._charging = charging
        self._ending = threading.Event()
        self.is_on = threading.Event()
        self.sent = 0

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                self.sent += 1
                self._charging.meter(self.sent / 100, 1000 + self.sent, 6000)
                self.is_on.set()
        finally:
            connection.close()

    def end(self) -> None:
        self._ending.set()
        self.join()


@contextmanager
def restored(folder: Path) -> Iterator[Any]:
    """``back_up`` copies the database into the folder; ``restore`` puts another in its place, made from the copy."""
    name = str(connection.settings_dict["NAME"])
    restore = _Postgres(folder, name) if connection.vendor == "postgresql" else _SQLite(folder, name)
    try:
        yield restore
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
        restore.forget()


class _SQLite:
    def __init__(self, folder: Path, name: str) -> None:
        self._copy, self._other = folder / "copy.sqlite3", folder / "other.sqlite3"

    def back_up(self) -> None:
        assert "checked" in manage("backup_database", str(self._copy))

    def restore(self) -> None:
        shutil.copy(self._copy, self._other)
        connection.close()
        connection.settings_dict["NAME"] = str(self._other)

    def forget(self) -> None:
        pass


class _Postgres:
    def __init__(self, folder: Path, name: str) -> None:
        self._copy, self._name, self._other = folder / "csms.dump", name, f"{name}_restored"
        given = connection.settings_dict
        self._variables = {
            "PATH": os.environ["PATH"],
            "PGHOST": given["HOST"],
            "PGPORT": str(given["PORT"] or ""),
            "PGUSER": given["USER"],
            "PGPASSWORD": given["PASSWORD"],
        }

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, env=self._variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def back_up(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self._copy}", self._name)

    def restore(self) -> None:
        self._run("createdb", self._other)
        self._run("pg_restore", "--exit-on-error", f"--dbname={self._other}", str(self._copy))
        connection.close()
        connection.settings_dict["NAME"] = self._other

    def forget(self) -> None:
        self._run("dropdb", "--if-exists", self._other)


@pytest.mark.timeout(120)
@commits
def test_a_restored_backup_goes_on_where_it_was_made(wire: Wire, gateway: GatewayEnd, tmp_path: Path) -> None:
    IdTag.objects.create(id_tag="TAG1")
    charging = Charging(wire).start()
    charging.meter(10, 2000, 6000)
    charge_point = ChargePoint.objects.get(identity="CP001")
    message = RemoteStartTransactionRequest(id_tag="TAG1")
    waits = outbound.new_command(
        charge_point, message, now=timezone.now(), expires_at=timezone.now() + timedelta(days=1)
    )
    waits.save(force_insert=True)
    ChargePoint.objects.create(identity="CP002", security_profile=0)
    second = Wire(GatewayEnd(Backend()), "CP002")
    assert second.open().accepted
    load = Load(Charging(second).start())
    with restored(tmp_path) as database:
        load.start()
        assert load.is_on.wait(30)
        database.back_up()
        load.end()
        lost = Charging(wire, connector=2).start()  # since the backup: what is restored knows nothing of it
        known_since = Transaction.objects.count()
        database.restore()

        assert Transaction.objects.count() == known_since - 1
        assert 1 <= MeterValue.objects.filter(connector__charge_point__identity="CP002").count() <= load.sent
        leases.release_all()
        said = manage("after_restore")
        assert f"The next transactionId is {lost.transaction_id + 100_000}. 1 commands" in said
        waits.refresh_from_db()
        assert waits.state == CommandState.CANCELLED  # it may have been carried out since
        assert not Session.objects.filter(ended_at=None).exists()

        again = Wire(GatewayEnd(Backend()), "CP001")
        assert again.open().accepted
        charging.wire = again
        charging.meter(10, 2000, 6000)  # sent again: it is there already
        charging.meter(20, 3000, 6000)
        row = charging.stop(30, 4000)
        assert (row.energy_wh, row.is_active, charging.anomalies) == (3000, False, [])
        assert MeterValue.objects.filter(transaction=row).count() == 2
        lost.wire = again
        unknown = lost.send("StopTransaction", {"transactionId": lost.transaction_id, "meterStop": 5, "timestamp": "x"})
        assert unknown == {}
        newest = Charging(again, connector=2).start()
        assert newest.transaction_id >= lost.transaction_id + 100_000


@pytest.mark.django_db
def test_after_restore_keeps_off_a_system_that_runs() -> None:
    assert leases.hold(housekeeping.LEASE, "worker-1", timedelta(seconds=10))
    with pytest.raises(CommandError, match="stop everything first"):
        manage("after_restore")
    for skip in ("0", "-5", "1000000000"):
        with pytest.raises(CommandError, match="--skip"):
            manage("after_restore", f"--skip={skip}")
    assert not Command.objects.exists()


# -- the copy of a SQLite database -------------------------------------------------------------------------------------


@commits
def test_a_copy_is_the_owners_whole_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite3"
    if connection.vendor != "sqlite":
        with pytest.raises(CommandError, match="PostgreSQL, not SQLite"):
            manage("backup_database", str(target))
        return
    IdTag.objects.create(id_tag="TAG1")
    manage("backup_database", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["copy.sqlite3"]
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT id_tag FROM ocpp_app_idtag WHERE id_tag = 'TAG1'").fetchall() == [("TAG1",)]
    with pytest.raises(CommandError, match="exists"):
        manage("backup_database", str(target))
    manage("backup_database", str(target), "--overwrite")
    with pytest.raises(CommandError, match="no folder"):
        manage("backup_database", str(tmp_path / "nowhere" / "copy.sqlite3"))


@commits
def test_a_copy_of_a_damaged_database_replaces_no_good_one(tmp_path: Path) -> None:
    if connection.vendor != "sqlite":
        assert connection.vendor == "postgresql"  # there pg_dump reads every row
        return
    target = tmp_path / "copy.sqlite3"
    manage("backup_database", str(target))
    before = target.read_bytes()
    damaged = tmp_path / "damaged.sqlite3"
    page = 4096
    middle = len(before) // page // 2 * page
    damaged.write_bytes(before[:middle] + os.urandom(len(before) - middle))
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(damaged)
    try:
        with pytest.raises(CommandError, match=r"damaged|nothing was replaced"):
            manage("backup_database", str(target), "--overwrite")
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
    assert target.read_bytes() == before
    assert not list(tmp_path.glob("*unfinished*"))
