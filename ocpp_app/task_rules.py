"""What keeps firmware updates and diagnostics true: answers, statuses and time.

OCPP 1.6 §4.4, §4.5, §5.9, §5.19; security whitepaper L01, N01. A status without a requestId belongs to the task that is
under way, else to the one whose turn it is.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import F, Q, QuerySet
from django.utils.dateparse import parse_datetime

from ocpp_app import conf, signals
from ocpp_app.batch import Batch
from ocpp_app.bulk import fit
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import (
    OPEN_TASK_STATES,
    CommandState,
    DiagnosticsKind,
    DiagnosticsTask,
    FirmwareTask,
    TaskState,
    TaskStatus,
)
from ocppj.secrets import shown_location, without_addresses
from ocppj.v16 import (
    Action,
    DiagnosticsStatus,
    FirmwareStatusEnumType,
    LogStatusEnumType,
    UpdateFirmwareStatusEnumType,
    UploadLogStatusEnumType,
)

AnyTask = TypeVar("AnyTask", FirmwareTask, DiagnosticsTask)

FIRMWARE_STATES: Mapping[str, TaskState] = {
    FirmwareStatusEnumType.DownloadScheduled: TaskState.RUNNING,
    FirmwareStatusEnumType.Downloading: TaskState.RUNNING,
    FirmwareStatusEnumType.DownloadPaused: TaskState.RUNNING,
    FirmwareStatusEnumType.Downloaded: TaskState.RUNNING,
    FirmwareStatusEnumType.SignatureVerified: TaskState.RUNNING,
    FirmwareStatusEnumType.InstallScheduled: TaskState.RUNNING,
    FirmwareStatusEnumType.InstallRebooting: TaskState.RUNNING,
    FirmwareStatusEnumType.Installing: TaskState.RUNNING,
    FirmwareStatusEnumType.Installed: TaskState.DONE,
    FirmwareStatusEnumType.DownloadFailed: TaskState.FAILED,
    FirmwareStatusEnumType.InstallationFailed: TaskState.FAILED,
    FirmwareStatusEnumType.InstallVerificationFailed: TaskState.FAILED,
    FirmwareStatusEnumType.InvalidSignature: TaskState.FAILED,
}
"""FirmwareStatus (OCPP 1.6 §7.25) and FirmwareStatusEnumType (whitepaper §6.6): the second has all of the first."""
UPLOAD_STATES: Mapping[str, TaskState] = {
    DiagnosticsStatus.Uploading: TaskState.RUNNING,
    DiagnosticsStatus.Uploaded: TaskState.DONE,
    DiagnosticsStatus.UploadFailed: TaskState.FAILED,
    UploadLogStatusEnumType.UploadFailure: TaskState.FAILED,
    UploadLogStatusEnumType.BadMessage: TaskState.FAILED,
    UploadLogStatusEnumType.NotSupportedOperation: TaskState.FAILED,
    UploadLogStatusEnumType.PermissionDenied: TaskState.FAILED,
}
NOT_ARRIVED = "The charge point says that it has uploaded a file, but none has arrived here."
SIGNED_UPDATE = frozenset({Action.SignedUpdateFirmware, Action.SignedFirmwareStatusNotification})
YES = frozenset({UpdateFirmwareStatusEnumType.Accepted, LogStatusEnumType.Accepted})
YES_INSTEAD = frozenset({UpdateFirmwareStatusEnumType.AcceptedCanceled, LogStatusEnumType.AcceptedCanceled})
NEVER_LEFT = (CommandState.EXPIRED, CommandState.CANCELLED)
AT_ONCE = 200


# -- answers -------------------------------------------------------------------------------------------------


def note_firmware_answer(request: OCPPRequest) -> None:
    """Follow the answer to an UpdateFirmware.req, which has no status, or to a SignedUpdateFirmware.req."""
    task = _answered(request, FirmwareTask)
    if request.message is None:
        _refuse(request, task)
        return
    word = str(getattr(request.message, "status", UpdateFirmwareStatusEnumType.Accepted))
    _follow_word(request, task, word)
    # Unsigned updates cannot be told apart by their statuses: the newest is the one that is under way.
    if word in YES_INSTEAD or (word in YES and not task.is_signed):
        _replace(request, FirmwareTask, task, is_signed=task.is_signed)


def note_diagnostics_answer(request: OCPPRequest) -> None:
    """Follow the answer to a GetDiagnostics.req: without a file name there is nothing to upload (OCPP 1.6 §5.9)."""
    task = _answered(request, DiagnosticsTask)
    if request.message is None:
        _refuse(request, task)
    elif not request.message.file_name:
        _set(request.batch, task, TaskState.REJECTED, request.received_at, "The charge point has no diagnostics.")
    else:
        _accept(request, task, file_name=without_addresses(request.message.file_name))


def note_log_answer(request: OCPPRequest) -> None:
    """Follow the answer to a GetLog.req; AcceptedCanceled ends the upload that was under way (N01.FR.11)."""
    task = _answered(request, DiagnosticsTask)
    if request.message is None:
        _refuse(request, task)
        return
    word = str(request.message.status)
    _follow_word(request, task, word, file_name=without_addresses(request.message.filename or ""))
    if word in YES_INSTEAD:
        _replace(
            request, DiagnosticsTask, task, kind__in=(DiagnosticsKind.DIAGNOSTICS_LOG, DiagnosticsKind.SECURITY_LOG)
        )


def _answered(request: OCPPRequest, model: type[AnyTask]) -> AnyTask:
    """The task of the answered command, locked; one that was asked for by a bare command gets its task now."""
    assert request.command is not None
    row = model.objects.select_for_update(of=("self",), no_key=True).filter(command=request.command).first()
    return _adopted(request, model) if row is None else row


def _adopted(request: OCPPRequest, model: type[AnyTask]) -> AnyTask:
    command = request.command
    assert command is not None
    payload: dict[str, Any] = command.payload
    values: dict[str, Any] = {
        "charge_point": request.charge_point,
        "command": command,
        "request_id": payload.get("requestId"),
        "retries": payload.get("retries"),
        "retry_interval_s": payload.get("retryInterval"),
        "expires_at": request.batch.now + conf.task_time(),
        "requested_by_id": command.requested_by_id,
        "api_token": command.api_token,
        "source": command.source,
        "created_at": command.created_at,
    }
    if model is FirmwareTask:
        firmware = payload.get("firmware", payload)
        retrieve_at = _moment(firmware.get("retrieveDateTime") or firmware.get("retrieveDate"))
        install_at = _moment(firmware.get("installDateTime"))
        begins_at = max(at for at in (command.created_at, retrieve_at, install_at) if at is not None)
        values |= {
            "is_signed": command.action == Action.SignedUpdateFirmware,
            "location": shown_location(firmware.get("location", "")),
            "retrieve_at": retrieve_at or command.created_at,
            "install_at": install_at,
            "previous_version": request.charge_point.firmware_version,
            "expires_at": max(begins_at, request.batch.now) + conf.task_time(),
        }
    else:
        log = payload.get("log", {})
        values |= {
            "kind": payload.get("logType", DiagnosticsKind.DIAGNOSTICS),
            "location": shown_location(log.get("remoteLocation") or payload.get("location", "")),
            "oldest_at": _moment(log.get("oldestTimestamp") or payload.get("startTime")),
            "latest_at": _moment(log.get("latestTimestamp") or payload.get("stopTime")),
        }
    row = model(**values)
    fit(row)
    row.save(force_insert=True)
    return row


def _moment(text: Any) -> datetime | None:
    return parse_datetime(text) if isinstance(text, str) else None


def _follow_word(request: OCPPRequest, task: AnyTask, word: str, **values: Any) -> None:
    if word in YES or word in YES_INSTEAD:
        _accept(request, task, **values)
    else:
        _set(request.batch, task, TaskState.REJECTED, request.received_at, f"The charge point answered {word}.")


def _accept(request: OCPPRequest, task: AnyTask, **values: Any) -> None:
    # Its first status may have overtaken the answer; what had been given up goes on.
    state = TaskState.ACCEPTED if task.state in (TaskState.REQUESTED, TaskState.FAILED) else TaskState(task.state)
    _set(request.batch, task, state, request.received_at, "", **values)


def _refuse(request: OCPPRequest, task: AnyTask) -> None:
    command = request.command
    assert command is not None
    detail = f"{command.error_code} {command.error_description}".strip()
    _set(request.batch, task, TaskState.FAILED, request.received_at, detail)


def _replace(request: OCPPRequest, model: type[AnyTask], by: AnyTask, **which: Any) -> None:
    """End the other open tasks of this kind: the charge point has begun a newer one."""
    others = model.objects.select_for_update(of=("self",), no_key=True).filter(
        charge_point=request.charge_point, state__in=OPEN_TASK_STATES, pk__lt=by.pk, **which
    )
    for row in others.order_by("pk"):
        _set(request.batch, row, TaskState.CANCELLED, request.received_at, f"Replaced by {by.pk}.")


# -- statuses ------------------------------------------------------------------------------------------------


def note_firmware_status(request: OCPPRequest) -> None:
    """Keep a (Signed)FirmwareStatusNotification.req, and let its task follow it."""
    is_signed = request.action in SIGNED_UPDATE
    request_id = getattr(request.message, "request_id", None)
    task = None if _is_idle(request) else _reported_on(request, FirmwareTask, request_id, is_signed=is_signed)
    _keep(request, request_id, firmware_task=task)
    if task is None:
        return
    word = str(request.message.status)
    state = FIRMWARE_STATES.get(word)
    detail = "" if state != TaskState.FAILED else f"The charge point reported {word}."
    _reported(request, task, word, state, detail)


def note_upload_status(request: OCPPRequest) -> None:
    """Keep a DiagnosticsStatusNotification.req or LogStatusNotification.req, and let its task follow it."""
    of_log = request.action == Action.LogStatusNotification
    kinds = (
        (DiagnosticsKind.DIAGNOSTICS_LOG, DiagnosticsKind.SECURITY_LOG) if of_log else (DiagnosticsKind.DIAGNOSTICS,)
    )
    request_id = getattr(request.message, "request_id", None)
    task = None if _is_idle(request) else _reported_on(request, DiagnosticsTask, request_id, kind__in=kinds)
    _keep(request, request_id, diagnostics_task=task)
    if task is None:
        return
    word = str(request.message.status)
    state, detail = UPLOAD_STATES.get(word), ""
    if task.uploaded_at is not None:
        state = None  # the file is here, whatever the charge point thinks
    elif state == TaskState.DONE and task.is_own_location:
        state, detail = TaskState.FAILED, NOT_ARRIVED
    elif state == TaskState.FAILED:
        detail = f"The charge point reported {word}."
    _reported(request, task, word, state, detail)


def _is_idle(request: OCPPRequest) -> bool:
    """Nothing is under way; only said when asked (OCPP 1.6 §4.4, §4.5)."""
    return bool(request.message.status == DiagnosticsStatus.Idle)


def _reported_on(request: OCPPRequest, model: type[AnyTask], request_id: int | None, **which: Any) -> AnyTask | None:
    """The task that a status is about, locked."""
    rows = model.objects.select_for_update(of=("self",), no_key=True).filter(charge_point=request.charge_point, **which)
    if request_id is not None:
        return rows.filter(request_id=request_id).order_by("-pk").first()
    running = rows.filter(state=TaskState.RUNNING).order_by("-pk").first()
    if running is not None:
        return running
    # Uploads wait for one another; of updates the newest counts.
    order = "-pk" if model is FirmwareTask else "pk"
    may_run = Q(state=TaskState.ACCEPTED) | Q(state=TaskState.REQUESTED, command__sent_at__isnull=False)
    waiting = rows.filter(may_run).order_by(order).first()
    if waiting is not None:
        return waiting
    tried = rows.filter(state__in=(TaskState.FAILED, TaskState.REJECTED), expires_at__gt=request.batch.now)
    return tried.filter(Q(status="") | ~Q(state=TaskState.REJECTED)).order_by("-pk").first()


def _keep(request: OCPPRequest, request_id: int | None, **task: Any) -> None:
    request.batch.add(
        TaskStatus(
            charge_point=request.charge_point,
            action=request.action,
            status=str(request.message.status),
            request_id=request_id,
            received_at=request.received_at,
            **task,
        )
    )


def _reported(request: OCPPRequest, task: AnyTask, word: str, state: TaskState | None, detail: str) -> None:
    known = {"status": word, "status_at": request.received_at}
    if state is None or task.state == TaskState.DONE:
        _set(request.batch, task, TaskState(task.state), request.received_at, task.detail, **known)
    else:
        _set(request.batch, task, state, request.received_at, detail, **known)


# -- time ----------------------------------------------------------------------------------------------------


def overdue(now: datetime, model: type[AnyTask], *, after: int = 0, but: Iterable[Any] = ()) -> list[AnyTask]:
    """The next open tasks after this key, none of these, whose time is over, whose message never arrived or was
    answered wrongly, and the updates that are in force although nobody said so."""
    unheard = Q(state=TaskState.REQUESTED, command__state__in=(*NEVER_LEFT, CommandState.ERROR))
    ended = Q(expires_at__lte=now) | unheard
    if model is FirmwareTask:
        ended |= _is_in_force()
    found = open_tasks(model).filter(ended, pk__gt=after).exclude(pk__in=list(but))
    return list(found.select_related("charge_point", "command").order_by("pk")[:AT_ONCE])


def open_tasks(model: type[AnyTask]) -> QuerySet[AnyTask]:
    """Those of which something is still to come."""
    return model.objects.filter(state__in=OPEN_TASK_STATES)


def _is_in_force() -> Q:
    """Many charge points restart with the new version and report no Installed."""
    return (
        Q(charge_point__firmware_version=F("firmware__version"), charge_point__last_boot_at__gt=F("created_at"))
        & ~Q(previous_version=F("firmware__version"))
    )  # fmt: skip


def end_overdue(batch: Batch, rows: list[Any]) -> None:
    """End tasks that are overdue; the charge points of the batch are theirs."""
    batch.lock_charge_points({row.charge_point.identity for row in rows})
    models: tuple[Any, ...] = (FirmwareTask, DiagnosticsTask)
    for model in models:
        locked = open_tasks(model).filter(pk__in=[row.pk for row in rows if isinstance(row, model)])
        locked = locked.select_for_update(of=("self",), no_key=True)
        for row in locked.select_related("charge_point", "command").order_by("pk"):
            _end(batch, row)


def _end(batch: Batch, row: Any) -> None:
    command = row.command
    if isinstance(row, FirmwareTask) and _has_version(row):
        version = row.charge_point.firmware_version
        _set(batch, row, TaskState.DONE, batch.now, f"The charge point has restarted with version {version}.")
    elif command is not None and row.state == TaskState.REQUESTED and command.state == CommandState.CANCELLED:
        _set(batch, row, TaskState.CANCELLED, batch.now, command.reason or "Cancelled before it was sent.")
    elif command is not None and row.state == TaskState.REQUESTED and command.state in NEVER_LEFT:
        _set(batch, row, TaskState.FAILED, batch.now, f"The charge point was never asked: {command.reason}.")
    elif command is not None and row.state == TaskState.REQUESTED and command.state == CommandState.ERROR:
        _set(batch, row, TaskState.FAILED, batch.now, f"{command.error_code} {command.error_description}".strip())
    elif row.expires_at <= batch.now:
        last = f"the last that was heard of it was {row.status}" if row.status else "nothing was heard of it"
        _set(batch, row, TaskState.FAILED, batch.now, f"It has not ended in time; {last}.")


def _has_version(row: FirmwareTask) -> bool:
    charge_point, firmware = row.charge_point, row.firmware
    if firmware is None or charge_point.last_boot_at is None or charge_point.last_boot_at <= row.created_at:
        return False
    return row.previous_version != firmware.version == charge_point.firmware_version


# -- inside --------------------------------------------------------------------------------------------------


def _set(batch: Batch, row: AnyTask, state: TaskState, at: datetime, detail: str, **values: Any) -> None:
    """Write it at once: the next status of the same batch reads it again."""
    is_end = state not in OPEN_TASK_STATES
    finished_at = (row.finished_at if state == row.state else None) or at
    changed = {"state": state, "detail": detail, "finished_at": finished_at if is_end else None, **values}
    for name, value in changed.items():
        setattr(row, name, value)
    fit(row)
    row.save(update_fields=list(changed))
    batch.send(signals.task_changed, type(row), charge_point=row.charge_point, task=row)
