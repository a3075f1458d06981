"""Update the firmware of charge points (OCPP 1.6 §5.19, security whitepaper L01).

task = update_firmware("CP001", firmware)

The charge point fetches the file from an address that is valid for this task only; the task says how far it is. For
many charge points, a few at a time, see ``ocpp_app.campaigns``.
"""

from datetime import datetime
from typing import Any

import msgspec
from django.db import transaction
from django.utils import timezone

from ocpp_app import commands, conf, outbound
from ocpp_app.errors import FirmwareNotFitting
from ocpp_app.models import ChargePoint, Command, Firmware, FirmwareTask
from ocpp_app.transfer import links
from ocppj.messages import Request
from ocppj.secrets import shown_location
from ocppj.v16 import FirmwareType, SignedUpdateFirmwareRequest, UpdateFirmwareRequest

SOURCE = "firmware"


def update_firmware(
    charge_point: str | ChargePoint,
    firmware: Firmware | None = None,
    *,
    location: str = "",
    signed: bool | None = None,
    retrieve_at: datetime | None = None,
    install_at: datetime | None = None,
    retries: int | None = None,
    retry_interval_s: int | None = None,
    queue: bool = False,
    expires_at: datetime | None = None,
    requested_by: Any = None,
    api_token: str = "",
    source: str = "",
) -> FirmwareTask:
    """Have a charge point fetch and install firmware of ours, or the file at ``location``; returns the task.

    ``signed``: with SignedUpdateFirmware; None: whenever the firmware has a signature. ``retrieve_at``: not fetched
    before, ``install_at``: not installed before (signed only). ``queue``: a charge point that is not connected is asked
    once it is. ``expires_at``: until when all of it must have ended; by default OCPP_TASK_HOURS after it may begin.

    Raises ``UnknownChargePoint``, ``ChargePointOffline`` without ``queue``, ``FirmwareNotFitting``,
    ``TransferNotPossible``, which says what to set, and ``PayloadError`` naming the field that OCPP does not allow;
    then nothing is left behind.
    """
    target = commands.load(charge_point)
    with transaction.atomic():
        task, message = plan_update(
            target,
            firmware,
            location=location,
            signed=signed,
            retrieve_at=retrieve_at,
            install_at=install_at,
            retries=retries,
            retry_interval_s=retry_interval_s,
            expires_at=expires_at,
            requested_by=requested_by,
            api_token=api_token,
            source=source or SOURCE,
        )
        task.command = commands.issue_command(
            target,
            message,
            expires_at=task.expires_at if queue else None,
            requested_by=requested_by,
            api_token=api_token,
            source=task.source,
        )
        task.save(update_fields=["command"])
    return task


def queue_update(charge_point: ChargePoint, firmware: Firmware, **options: Any) -> FirmwareTask:
    """The same from housekeeping, in its transaction: the message is left for ``dispatch_queued_commands``."""
    task, message = plan_update(charge_point, firmware, **options)
    command: Command = outbound.new_command(
        charge_point, message, now=timezone.now(), expires_at=task.expires_at, source=task.source
    )
    command.save(force_insert=True)
    task.command = command
    task.save(update_fields=["command"])
    return task


def plan_update(
    charge_point: ChargePoint,
    firmware: Firmware | None,
    *,
    location: str = "",
    signed: bool | None = None,
    retrieve_at: datetime | None = None,
    install_at: datetime | None = None,
    retries: int | None = None,
    retry_interval_s: int | None = None,
    expires_at: datetime | None = None,
    **asked: Any,
) -> tuple[FirmwareTask, Request]:
    """The task, saved, and the message that is to be sent for it; in a transaction. Raises as ``update_firmware``."""
    is_signed = bool(firmware and firmware.is_signed) if signed is None else signed
    check_fitting(charge_point, firmware, location=location, signed=is_signed, install_at=install_at)
    link = links.download_link(firmware.file_name) if firmware is not None else None
    url = location if link is None else link.url
    links.check_protocol(charge_point, url)
    now = timezone.now()
    begins_at = max(at for at in (now, retrieve_at, install_at) if at is not None)
    task = FirmwareTask(
        charge_point=charge_point,
        firmware=firmware,
        is_signed=is_signed,
        location=shown_location(location)[:1000],
        retrieve_at=retrieve_at or now,
        install_at=install_at,
        retries=retries,
        retry_interval_s=retry_interval_s,
        previous_version=charge_point.firmware_version,
        link_digest="" if link is None else link.digest,
        expires_at=expires_at or begins_at + conf.task_time(),
        created_at=now,
        **asked,
    )
    message = _message(task, url)
    task.save(force_insert=True)
    if isinstance(message, SignedUpdateFirmwareRequest):
        task.request_id = task.pk
        task.save(update_fields=["request_id"])
        message = msgspec.structs.replace(message, request_id=task.pk)
    return task, message


def check_fitting(
    charge_point: ChargePoint,
    firmware: Firmware | None,
    *,
    location: str = "",
    signed: bool = False,
    install_at: datetime | None = None,
) -> None:
    """Raise ``FirmwareNotFitting`` where this firmware is not for this charge point, or not in this way."""
    if (firmware is None) == (not location):
        raise FirmwareNotFitting("Name either a firmware that is kept here, or the location of a file.")
    if signed and (firmware is None or not firmware.is_signed):
        raise FirmwareNotFitting(
            "A signed update needs the manufacturer's signing certificate and signature: add both to the firmware."
        )
    if install_at is not None and not signed:
        raise FirmwareNotFitting(
            "Only a signed update has a time of installation; UpdateFirmware.req has no such field."
        )
    if firmware is None:
        return
    if firmware.organisation_id != charge_point.organisation_id:
        raise FirmwareNotFitting(f"{charge_point.identity} belongs to another organisation than the firmware.")
    if not firmware.is_for(charge_point):
        made = f"{charge_point.vendor} {charge_point.model}".strip() or "of unknown make"
        wanted = f"{firmware.vendor or '*'} {firmware.model or '*'}"
        raise FirmwareNotFitting(f"{charge_point.identity} is {made}, but this firmware is for {wanted}.")


def _message(task: FirmwareTask, url: str) -> Request:
    """Checked before there is a row; its request id comes with the row."""
    again: dict[str, Any] = {"retries": task.retries, "retry_interval": task.retry_interval_s}
    if not task.is_signed:
        return UpdateFirmwareRequest(location=url, retrieve_date=task.retrieve_at, **again)
    assert task.firmware is not None
    firmware = FirmwareType(
        location=url,
        retrieve_date_time=task.retrieve_at,
        install_date_time=task.install_at,
        signing_certificate=task.firmware.signing_certificate,
        signature=task.firmware.signature,
    )
    return SignedUpdateFirmwareRequest(request_id=0, firmware=firmware, **again)
