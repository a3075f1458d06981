"""Firmware updates, diagnostics and logs are what the charge point's answers and statuses make of them."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.signals import pre_save
from django.utils import timezone

from ocpp_app import upkeep
from ocpp_app.commands import cancel_command, issue_command
from ocpp_app.models import ChargePoint, Command, CommandState, DiagnosticsTask, FirmwareTask, TaskStatus
from ocpp_app.set_aside import aside
from ocpp_app.signals import task_changed
from ocppj.v16 import (
    FirmwareType,
    GetDiagnosticsRequest,
    GetLogRequest,
    LogEnumType,
    LogParametersType,
    SignedUpdateFirmwareRequest,
    UpdateFirmwareRequest,
)
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import Wire

pytestmark = pytest.mark.django_db

ELSEWHERE = "ftp://user:secret@files.example/"


def answer(wire: Wire, command: Command, payload: str | None) -> None:
    """The charge point's answer; None: a CALLERROR."""
    frame = f'[4,"{command.pk}","NotSupported","No.",{{}}]' if payload is None else f'[3,"{command.pk}",{payload}]'
    assert wire.call(frame) is None


def update(wire: Wire, payload: str | None = "{}", version: str = "fw") -> FirmwareTask:
    message = UpdateFirmwareRequest(location=f"{ELSEWHERE}{version}", retrieve_date=timezone.now())
    command = issue_command(wire.identity, message, source="test")
    answer(wire, command, payload)
    return FirmwareTask.objects.get(command=command)


def signed_update(wire: Wire, request_id: int, payload: str | None = '{"status":"Accepted"}') -> FirmwareTask:
    firmware = FirmwareType(
        location=ELSEWHERE, retrieve_date_time=timezone.now(), signing_certificate="PEM", signature="c2ln"
    )
    command = issue_command(wire.identity, SignedUpdateFirmwareRequest(request_id=request_id, firmware=firmware))
    answer(wire, command, payload)
    return FirmwareTask.objects.get(command=command)


def diagnostics(wire: Wire, payload: str | None = '{"fileName":"log.zip"}') -> DiagnosticsTask:
    command = issue_command(wire.identity, GetDiagnosticsRequest(location=ELSEWHERE))
    answer(wire, command, payload)
    return DiagnosticsTask.objects.get(command=command)


def log(
    wire: Wire, request_id: int, payload: str | None = '{"status":"Accepted","filename":"log.zip"}'
) -> DiagnosticsTask:
    message = GetLogRequest(
        log_type=LogEnumType.SecurityLog, request_id=request_id, log=LogParametersType(remote_location=ELSEWHERE)
    )
    command = issue_command(wire.identity, message)
    answer(wire, command, payload)
    return DiagnosticsTask.objects.get(command=command)


def said(task: Any) -> tuple[str, str]:
    task.refresh_from_db()
    return task.state, task.status


def history(**task: Any) -> list[str]:
    return list(TaskStatus.objects.filter(**task).order_by("pk").values_list("status", flat=True))


# -- firmware ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.19")
def test_statuses_without_request_id_belong_to_the_update_under_way(wire: Wire) -> None:
    task = update(wire)
    assert said(task) == ("accepted", "")
    for word, state in (("Downloading", "running"), ("Downloaded", "running"), ("Installing", "running")):
        wire.ask("FirmwareStatusNotification", {"status": word})
        assert said(task) == (state, word)
    assert task.finished_at is None
    wire.ask("FirmwareStatusNotification", {"status": "Installed"})
    assert said(task) == ("done", "Installed")
    assert task.finished_at is not None
    assert history(firmware_task=task) == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert wire.charge_point.firmware_status == "Installed"


def test_password_of_a_location_is_not_kept_with_the_task(wire: Wire) -> None:
    assert update(wire).location == "ftp://user:…@files.example/fw"


def test_failed_download_goes_on_when_the_charge_point_tries_again(wire: Wire) -> None:
    task = update(wire)
    wire.ask("FirmwareStatusNotification", {"status": "DownloadFailed"})
    assert said(task) == ("failed", "DownloadFailed")
    assert task.detail == "The charge point reported DownloadFailed."
    wire.ask("FirmwareStatusNotification", {"status": "Downloading"})
    assert said(task) == ("running", "Downloading")
    assert (task.detail, task.finished_at) == ("", None)


def test_newer_update_takes_the_place_of_an_older_one(wire: Wire) -> None:
    older = update(wire, version="1")
    newer = update(wire, version="2")
    assert said(older) == ("cancelled", "")
    assert older.detail == f"Replaced by {newer.pk}."
    wire.ask("FirmwareStatusNotification", {"status": "Downloading"})
    assert (said(older)[0], said(newer)[0]) == ("cancelled", "running")


@pytest.mark.spec("OCPP 1.6", "4.5")
def test_idle_changes_no_update(wire: Wire) -> None:
    task = update(wire)
    wire.ask("FirmwareStatusNotification", {"status": "Downloading"})
    wire.ask("FirmwareStatusNotification", {"status": "Idle"})
    assert said(task) == ("running", "Downloading")
    assert history(firmware_task=None) == ["Idle"]


def test_status_of_an_update_that_nobody_asked_for_is_kept(wire: Wire) -> None:
    wire.ask("FirmwareStatusNotification", {"status": "Installed"})
    assert history(firmware_task=None, charge_point=wire.charge_point) == ["Installed"]


def test_statuses_of_one_batch_follow_each_other(wire: Wire) -> None:
    task = update(wire)
    frames = [
        wire.frame(f'[2,"{number}","FirmwareStatusNotification",{{"status":"{word}"}}]')
        for number, word in enumerate(("Downloading", "Downloaded", "InstallationFailed"))
    ]
    wire.gateway.send(*frames)
    assert said(task) == ("failed", "InstallationFailed")
    assert len(history(firmware_task=task)) == 3


@pytest.mark.spec("security whitepaper", "L01.FR.10")
def test_signed_statuses_belong_to_the_update_with_their_request_id(wire: Wire, connect: Connect) -> None:
    other = signed_update(connect("CP002"), 7)
    first = signed_update(wire, 7)
    second = signed_update(wire, 8)
    wire.ask("SignedFirmwareStatusNotification", {"status": "Downloading", "requestId": 7})
    wire.ask("SignedFirmwareStatusNotification", {"status": "InvalidSignature", "requestId": 8})
    assert [said(task) for task in (first, second, other)] == [
        ("running", "Downloading"),
        ("failed", "InvalidSignature"),
        ("accepted", ""),
    ]


@pytest.mark.parametrize(
    ("word", "state", "before"),
    [
        ("Accepted", "accepted", "accepted"),
        ("AcceptedCanceled", "accepted", "cancelled"),
        ("Rejected", "rejected", "accepted"),
        ("InvalidCertificate", "rejected", "accepted"),
        ("RevokedCertificate", "rejected", "accepted"),
    ],
)
@pytest.mark.spec("security whitepaper", "6.16")
def test_answer_to_a_signed_update_becomes_its_state(word: str, state: str, before: str, wire: Wire) -> None:
    first = signed_update(wire, 1)
    second = signed_update(wire, 2, f'{{"status":"{word}"}}')
    assert (said(first)[0], said(second)[0]) == (before, state)


def test_call_error_fails_the_task(wire: Wire) -> None:
    task = update(wire, None)
    assert said(task) == ("failed", "")
    assert task.detail == "NotSupported No."


# -- diagnostics and logs ----------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "4.4")
def test_upload_to_somewhere_else_is_done_when_the_charge_point_says_so(wire: Wire) -> None:
    task = diagnostics(wire)
    assert task.file_name == "log.zip"
    wire.ask("DiagnosticsStatusNotification", {"status": "Uploading"})
    assert said(task) == ("running", "Uploading")
    wire.ask("DiagnosticsStatusNotification", {"status": "Uploaded"})
    assert said(task) == ("done", "Uploaded")


@pytest.mark.spec("OCPP 1.6", "5.9")
def test_answer_without_file_name_means_that_there_is_nothing(wire: Wire) -> None:
    task = diagnostics(wire, "{}")
    assert said(task) == ("rejected", "")
    assert task.detail == "The charge point has no diagnostics."


def test_uploads_wait_for_one_another(wire: Wire) -> None:
    first, second = diagnostics(wire), diagnostics(wire)
    for word in ("Uploading", "UploadFailed"):
        wire.ask("DiagnosticsStatusNotification", {"status": word})
    wire.ask("DiagnosticsStatusNotification", {"status": "Uploading"})
    assert (said(first)[0], said(second)[0]) == ("failed", "running")


@pytest.mark.spec("security whitepaper", "N01.FR.07")
def test_log_statuses_belong_to_the_log_with_their_request_id(wire: Wire) -> None:
    unsigned, first, second = diagnostics(wire), log(wire, 4), log(wire, 5)
    wire.ask("LogStatusNotification", {"status": "PermissionDenied", "requestId": 4})
    wire.ask("LogStatusNotification", {"status": "Uploaded", "requestId": 5})
    assert [said(task)[0] for task in (unsigned, first, second)] == ["accepted", "failed", "done"]


@pytest.mark.spec("security whitepaper", "N01.FR.11")
def test_log_that_cancels_another(wire: Wire) -> None:
    first = log(wire, 4)
    second = log(wire, 5, '{"status":"AcceptedCanceled","filename":"b"}')
    assert (said(first)[0], said(second)[0]) == ("cancelled", "accepted")
    assert said(log(wire, 6, '{"status":"Rejected"}'))[0] == "rejected"


# -- time --------------------------------------------------------------------------------------------------------------


def test_task_that_is_not_heard_of_any_more_fails_in_the_end(wire: Wire) -> None:
    task, other = update(wire), diagnostics(wire)
    wire.ask("FirmwareStatusNotification", {"status": "Downloading"})
    FirmwareTask.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    upkeep.end_tasks()
    assert said(task) == ("failed", "Downloading")
    assert task.detail == "It has not ended in time; the last that was heard of it was Downloading."
    assert said(other)[0] == "accepted"


def requested(wire: Wire, **values: Any) -> FirmwareTask:
    """An update whose message has not left."""
    later = timezone.now() + timedelta(hours=1)
    message = UpdateFirmwareRequest(location=ELSEWHERE, retrieve_date=timezone.now())
    command = issue_command(wire.identity, message, expires_at=later)
    return FirmwareTask.objects.create(
        charge_point=wire.charge_point,
        command=command,
        created_at=timezone.now(),
        retrieve_at=timezone.now(),
        expires_at=later,
        **values,
    )


def test_task_follows_a_command_that_never_left(connect: Connect) -> None:
    wire = connect()
    wire.close()
    cancelled, expired = requested(wire), requested(wire)
    assert cancelled.command is not None
    assert expired.command is not None
    cancel_command(cancelled.command, reason="nobody needs it")
    Command.objects.filter(pk=expired.command.pk).update(state=CommandState.EXPIRED, reason="too old")
    upkeep.end_tasks()
    assert (said(cancelled)[0], cancelled.detail) == ("cancelled", "nobody needs it")
    assert (said(expired)[0], expired.detail) == ("failed", "The charge point was never asked: too old.")


def test_task_that_cannot_be_ended_keeps_none_from_its_end(wire: Wire) -> None:
    bad, good = requested(wire), requested(wire)
    FirmwareTask.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    def fail(instance: FirmwareTask, **_kwargs: Any) -> None:
        if instance.pk == bad.pk:
            raise RuntimeError("a bug")

    pre_save.connect(fail, sender=FirmwareTask)
    try:
        upkeep.end_tasks()
        assert (said(bad)[0], said(good)[0]) == ("requested", "failed")
    finally:
        pre_save.disconnect(fail, sender=FirmwareTask)
    upkeep.end_tasks()
    assert said(bad)[0] == "requested"  # it is left alone for a while
    aside.forget()
    upkeep.end_tasks()
    assert said(bad)[0] == "failed"


def test_every_change_is_told(wire: Wire) -> None:
    told: list[str] = []

    def receiver(task: Any, charge_point: ChargePoint, **_kwargs: Any) -> None:
        told.append(f"{charge_point} {task.state}")

    task_changed.connect(receiver)
    try:
        update(wire)
        wire.ask("FirmwareStatusNotification", {"status": "Downloading"})
    finally:
        task_changed.disconnect(receiver)
    assert told == ["CP001 accepted", "CP001 running"]


# -- security events ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "critical"),
    [("FirmwareUpdated", True), ("InvalidTLSVersion", False), ("VendorSpecific", None)],
)
@pytest.mark.spec("security whitepaper", "A04.FR.03")
def test_security_event_is_kept_with_its_criticality(kind: str, critical: bool | None, wire: Wire) -> None:
    payload = {"type": kind, "timestamp": "2025-03-04T12:30:45Z", "techInfo": "because"}
    assert wire.call(json.dumps([2, uuid.uuid4().hex, "SecurityEventNotification", payload])) is not None
    event = wire.charge_point.security_events.get()
    assert (event.type, event.is_critical, event.tech_info) == (kind, critical, "because")
    assert event.timestamp is not None
    assert event.timestamp.isoformat() == "2025-03-04T12:30:45+00:00"
