"""What is old goes, table by table; what is needed, and what is young, stays."""

import threading
from datetime import timedelta
from io import StringIO
from itertools import chain, repeat
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.utils import timezone

from ocpp_app import leases, retention
from ocpp_app.models import (
    AuditEntry,
    ChargePoint,
    ChargePointSecurityEvent,
    Command,
    CommandBatch,
    CommandState,
    DiagnosticsTask,
    FailedMessage,
    Gateway,
    Lease,
    Message,
    Pruning,
    SecurityEvent,
    Session,
    StatusHistory,
    TaskStatus,
    Transaction,
)
from ocpp_app.rpc import housekeeping
from tests.ocpp_app.charging import Charging
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.wire import Backend, Wire

pytestmark = pytest.mark.django_db

NOW = timezone.now()
OLD = NOW - timedelta(days=500)
YOUNG = NOW - timedelta(days=10)


@pytest.fixture
def charge_point() -> ChargePoint:
    return ChargePoint.objects.create(identity="CP001")


def prune(*arguments: str) -> str:
    out = StringIO()
    call_command("prune", *arguments, stdout=out)
    return out.getvalue()


def make_messages(charge_point: ChargePoint, *times: Any) -> None:
    Message.objects.bulk_create(
        Message(charge_point=charge_point, direction="in", raw="[]", at=at, action="Heartbeat") for at in times
    )


def command(charge_point: ChargePoint, state: CommandState, created_at: Any, **fields: Any) -> Command:
    return Command.objects.create(
        charge_point=charge_point,
        action="Reset",
        payload={},
        state=state,
        timeout_s=30,
        created_at=created_at,
        **fields,
    )


# -- what goes ---------------------------------------------------------------------------------------------------------


def test_messages_by_their_age(charge_point: ChargePoint) -> None:
    make_messages(charge_point, *[OLD] * (2 * retention.AT_ONCE + 1), YOUNG, OLD, NOW)
    assert f"{2 * retention.AT_ONCE + 2:,} removed" in prune("--only=messages")
    assert sorted(Message.objects.values_list("at", flat=True)) == [YOUNG, NOW]
    assert Pruning.objects.get().removed == 2 * retention.AT_ONCE + 2


def test_ended_sessions_and_gateways_that_are_gone(charge_point: ChargePoint) -> None:
    gone = Gateway.objects.create(name="gone", gone_at=OLD)
    busy = Gateway.objects.create(name="busy", gone_at=OLD)
    ended = Session.objects.create(charge_point=charge_point, gateway=gone, connected_at=OLD, ended_at=OLD)
    sent = command(charge_point, CommandState.ANSWERED, YOUNG, session=ended)
    long_one = Session.objects.create(charge_point=charge_point, gateway=busy, connected_at=OLD, ended_at=YOUNG)
    still_open = Session.objects.create(charge_point=charge_point, gateway=busy, connected_at=OLD)
    prune("--only=sessions")
    assert set(Session.objects.all()) == {long_one, still_open}
    assert list(Gateway.objects.all()) == [busy]
    sent.refresh_from_db()
    assert sent.session is None


def test_finished_commands_and_what_was_sent_to_many(charge_point: ChargePoint) -> None:
    batch = CommandBatch.objects.create(action="Reset", payload={}, size=2, created_at=OLD)
    half = CommandBatch.objects.create(action="Reset", payload={}, size=2, created_at=OLD)
    for state in CommandState:
        command(charge_point, state, OLD, batch=batch if state in retention.FINISHED_STATES else half)
    command(charge_point, CommandState.ANSWERED, YOUNG)
    prune("--only=commands")
    assert sorted(Command.objects.values_list("state", flat=True)) == ["answered", "dispatched", "queued", "sent"]
    assert list(CommandBatch.objects.all()) == [half]


def test_statuses_security_events_and_replayed_messages(charge_point: ChargePoint) -> None:
    connector = charge_point.connectors.create(number=1)
    task = DiagnosticsTask.objects.create(charge_point=charge_point, kind="Diagnostics", expires_at=OLD, created_at=OLD)
    for at in (OLD, YOUNG):
        StatusHistory.objects.create(connector=connector, status="Available", error_code="NoError", received_at=at)
        TaskStatus.objects.create(charge_point=charge_point, action="FirmwareStatus", status="Idle", received_at=at)
        SecurityEvent.objects.create(kind="flapping", hour=at, first_at=at, last_at=at)
        ChargePointSecurityEvent.objects.create(charge_point=charge_point, type="ResetOrReboot", received_at=at)
        failed = {
            "charge_point": charge_point,
            "action": "StopTransaction",
            "raw": "[]",
            "error": "",
            "received_at": at,
        }
        FailedMessage.objects.create(**failed, replayed_at=at)
        FailedMessage.objects.create(**failed)
    TaskStatus.objects.create(
        charge_point=charge_point, action="Diagnostics", status="Uploaded", received_at=OLD, diagnostics_task=task
    )
    prune("--only=statuses", "--only=security_events", "--only=failed_messages")
    assert [row.received_at for row in StatusHistory.objects.all()] == [YOUNG]
    assert [row.received_at for row in TaskStatus.objects.filter(diagnostics_task=None)] == [YOUNG]
    assert TaskStatus.objects.filter(diagnostics_task=task).exists()
    assert [row.last_at for row in SecurityEvent.objects.all()] == [YOUNG]
    assert [row.received_at for row in ChargePointSecurityEvent.objects.all()] == [YOUNG]
    assert FailedMessage.objects.filter(replayed_at=None).count() == 2  # they wait for ``manage.py replay``
    assert FailedMessage.objects.filter(replayed_at__isnull=False).count() == 1


def test_uploads_lose_their_file_and_are_still_known(charge_point: ChargePoint, private_files: Any) -> None:
    fields = {"charge_point": charge_point, "kind": "Diagnostics", "expires_at": OLD, "created_at": OLD, "size": 4}
    tasks = []
    for at in (OLD, YOUNG):
        tasks.append(DiagnosticsTask.objects.create(**fields, uploaded_at=at))
        tasks[-1].file.save("log.zip", ContentFile(b"data"))
    old, young = (task.file.name for task in tasks)
    prune("--only=uploads")
    assert (private_files.exists(old), private_files.exists(young)) == (False, True)
    assert [(task.file.name, task.size) for task in DiagnosticsTask.objects.order_by("pk")] == [("", 4), (young, 4)]


def test_transactions_and_the_audit_log_stay_for_ever(wire: Wire, tag: Any) -> None:
    Charging(wire).start().stop(10, 2000)
    AuditEntry.objects.create(action="somebody did something")
    Transaction.objects.update(started_at=OLD - timedelta(days=5000), stopped_at=OLD, stop_received_at=OLD)
    prune(*[f"--{table.replace('_', '-')}=1" for table in retention.TABLES])
    assert Transaction.objects.count() == 1
    assert AuditEntry.objects.filter(action="somebody did something").exists()


def test_what_a_model_of_the_project_protects_stays(charge_point: ChargePoint) -> None:
    make_messages(charge_point, OLD, OLD, OLD)
    evidence = Message.objects.order_by("pk")[1]

    def protect(sender: Any, instance: Any, **_kwargs: Any) -> None:
        if instance == evidence:
            raise models.ProtectedError("It is evidence.", {instance})

    models.signals.pre_delete.connect(protect, sender=Message)
    try:
        assert "2 removed" in prune("--only=messages")
    finally:
        models.signals.pre_delete.disconnect(protect, sender=Message)
    assert list(Message.objects.all()) == [evidence]


# -- how much ----------------------------------------------------------------------------------------------------------


def test_dry_run_says_what_would_go_and_removes_nothing(charge_point: ChargePoint) -> None:
    make_messages(charge_point, OLD, OLD, YOUNG)
    lines = prune("--dry-run", "--sessions=never").splitlines()
    by_table = {line.split()[0]: line.split()[1:] for line in lines}
    assert by_table["messages"] == ["3", f"{OLD:%Y-%m-%d}", "90", "days", "2"]
    assert by_table["sessions"] == ["0", "ever", "0"]
    assert Message.objects.count() == 3
    assert not Pruning.objects.exists()


def test_settings_and_options_say_how_long(charge_point: ChargePoint, settings: Any) -> None:
    settings.OCPP_RETENTION = {"messages": None}
    make_messages(charge_point, OLD, YOUNG)
    assert "\nmessages" not in "\n" + prune()
    assert Message.objects.count() == 2
    assert "1 removed" in prune("--messages=20", "--only=messages")
    settings.OCPP_RETENTION = {"messages": 5}
    assert "1 removed" in prune("--only=messages")


@pytest.mark.parametrize(
    "wrong", ["--messages=0", "--messages=often", "--messages=1e12", "--only=transactions", "--pause=-1"]
)
def test_wrong_options_are_refused(wrong: str) -> None:
    with pytest.raises(CommandError):
        prune(wrong)


def test_one_at_a_time(charge_point: ChargePoint) -> None:
    make_messages(charge_point, OLD)
    assert leases.hold(retention.LEASE, "somebody", timedelta(minutes=1))
    with pytest.raises(CommandError, match="Somebody else is pruning"):
        prune()
    assert Message.objects.count() == 1
    leases.release(retention.LEASE, "somebody")
    prune()
    assert not Message.objects.exists()
    assert Lease.objects.get(name=retention.LEASE).expires_at is None


# -- by itself ---------------------------------------------------------------------------------------------------------


@commits
def test_workers_prune_once_a_day(backend: Backend, settings: Any) -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    make_messages(charge_point, OLD, YOUNG)

    def keep_house(minutes: float) -> None:
        clock = chain([0.0], repeat(minutes * 60))
        housekeeping.Housekeeping("worker-1", clock=lambda: next(clock)).run_when_due()
        for thread in threading.enumerate():
            if thread.name == "prune":
                thread.join()

    keep_house(5)
    assert Message.objects.count() == 2  # a start has other things to do
    settings.OCPP_PRUNE = False
    keep_house(11)
    assert Message.objects.count() == 2
    settings.OCPP_PRUNE = True
    keep_house(11)
    assert [row.at for row in Message.objects.all()] == [YOUNG]
    assert retention.due(timezone.now()) == {}
    make_messages(charge_point, OLD)
    keep_house(11)
    assert Message.objects.count() == 2  # tomorrow
    Pruning.objects.filter(table="messages").update(finished_at=NOW - timedelta(days=1, minutes=1))
    assert list(retention.due(timezone.now())) == ["messages"]
    keep_house(11)
    assert Message.objects.count() == 1


def test_old_and_young_are_found_by_a_small_index_on_postgresql() -> None:
    """SQLite has no BRIN: the migration leaves it alone."""
    with connection.cursor() as cursor:
        indexes = {
            name: found
            for table in ("ocpp_app_message", "ocpp_app_metervalue", "ocpp_app_session", "ocpp_app_statushistory")
            for name, found in connection.introspection.get_constraints(cursor, table).items()
        }
    brin = {name: found["columns"] for name, found in indexes.items() if found.get("type") == "brin"}
    columns = {
        "ocpp_message_at_brin": ["at"],
        "ocpp_meter_received_brin": ["received_at"],
        "ocpp_meter_timestamp_brin": ["timestamp"],
        "ocpp_session_connected_brin": ["connected_at"],
        "ocpp_status_received_brin": ["received_at"],
    }
    assert brin == (columns if connection.vendor == "postgresql" else {})
