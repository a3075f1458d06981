"""Ask charge points for diagnostics and logs (OCPP 1.6 §5.9, security whitepaper N01).

task = request_diagnostics("CP001", kind=DiagnosticsKind.SECURITY_LOG)

The file comes to a one-time address of ours, or to a location that you name; the task says how far it is.
"""

from datetime import datetime
from typing import Any

import msgspec
from django.db import transaction
from django.utils import timezone

from ocpp_app import commands, conf
from ocpp_app.models import ChargePoint, DiagnosticsKind, DiagnosticsTask
from ocpp_app.transfer import links
from ocppj.messages import Request
from ocppj.secrets import shown_location
from ocppj.v16 import GetDiagnosticsRequest, GetLogRequest, LogEnumType, LogParametersType

SOURCE = "diagnostics"


def request_diagnostics(
    charge_point: str | ChargePoint,
    *,
    kind: str = DiagnosticsKind.DIAGNOSTICS,
    location: str = "",
    oldest_at: datetime | None = None,
    latest_at: datetime | None = None,
    retries: int | None = None,
    retry_interval_s: int | None = None,
    queue: bool = False,
    requested_by: Any = None,
    api_token: str = "",
    source: str = "",
) -> DiagnosticsTask:
    """Ask for a file; returns its task. ``queue``: a charge point that is not connected is asked once it is.

    ``location``: where the charge point uploads it to, by whatever protocol it speaks; empty: to us. Raises
    ``UnknownChargePoint``, ``ChargePointOffline`` without ``queue``, ``TransferNotPossible``, which says what to set,
    and ``PayloadError`` naming the field that OCPP does not allow; then nothing is left behind.
    """
    target = commands.load(charge_point)
    now = timezone.now()
    link = None if location else links.upload_link()
    url = location if link is None else link.url
    links.check_protocol(target, url)
    task = DiagnosticsTask(
        charge_point=target,
        kind=kind,
        location=shown_location(location)[:1000],
        oldest_at=oldest_at,
        latest_at=latest_at,
        retries=retries,
        retry_interval_s=retry_interval_s,
        link_digest="" if link is None else link.digest,
        expires_at=now + conf.task_time(),
        created_at=now,
        requested_by=requested_by,
        api_token=api_token,
        source=source or SOURCE,
    )
    message = _message(task, url)
    with transaction.atomic():
        task.save(force_insert=True)
        if isinstance(message, GetLogRequest):
            task.request_id = task.pk
            message = msgspec.structs.replace(message, request_id=task.pk)
        task.command = commands.issue_command(
            target,
            message,
            expires_at=task.expires_at if queue else None,
            requested_by=requested_by,
            api_token=api_token,
            source=task.source,
        )
        task.save(update_fields=["request_id", "command"])
    return task


def _message(task: DiagnosticsTask, url: str) -> Request:
    """Checked before there is a row; its request id comes with the row."""
    again: dict[str, Any] = {"retries": task.retries, "retry_interval": task.retry_interval_s}
    if task.kind == DiagnosticsKind.DIAGNOSTICS:
        return GetDiagnosticsRequest(location=url, start_time=task.oldest_at, stop_time=task.latest_at, **again)
    log = LogParametersType(remote_location=url, oldest_timestamp=task.oldest_at, latest_timestamp=task.latest_at)
    return GetLogRequest(log_type=LogEnumType(task.kind), request_id=0, log=log, **again)
