"""The Firmware Management profile of OCPP 1.6 (§3.3): firmware updates and diagnostics uploads."""

from typing import Annotated

from ocppj.messages import URI, DateTime, Integer, Request, Response, Seconds, at_least
from ocppj.v16.datatypes import CiString255
from ocppj.v16.enums import Action, DiagnosticsStatus, FirmwareStatus


class DiagnosticsStatusNotificationResponse(Response):
    """DiagnosticsStatusNotification.conf (OCPP 1.6 §6.18), sent by the Central System. No fields."""

    action = Action.DiagnosticsStatusNotification


class DiagnosticsStatusNotificationRequest(Request):
    """DiagnosticsStatusNotification.req (OCPP 1.6 §6.17), sent by the Charge Point."""

    action = Action.DiagnosticsStatusNotification
    response = DiagnosticsStatusNotificationResponse

    status: DiagnosticsStatus
    """The status of the diagnostics upload."""


class FirmwareStatusNotificationResponse(Response):
    """FirmwareStatusNotification.conf (OCPP 1.6 §6.20), sent by the Central System. No fields."""

    action = Action.FirmwareStatusNotification


class FirmwareStatusNotificationRequest(Request):
    """FirmwareStatusNotification.req (OCPP 1.6 §6.19), sent by the Charge Point."""

    action = Action.FirmwareStatusNotification
    response = FirmwareStatusNotificationResponse

    status: FirmwareStatus
    """The progress status of the firmware installation."""


class GetDiagnosticsResponse(Response):
    """GetDiagnostics.conf (OCPP 1.6 §6.26), sent by the Charge Point."""

    action = Action.GetDiagnostics

    file_name: CiString255 | None = None
    """Name of the file that will be uploaded; absent where no diagnostic information is available."""


class GetDiagnosticsRequest(Request):
    """GetDiagnostics.req (OCPP 1.6 §6.25), sent by the Central System."""

    action = Action.GetDiagnostics
    response = GetDiagnosticsResponse

    location: URI
    """The directory to which the diagnostics file shall be uploaded: FTP, FTPS, HTTP or HTTPS (§8)."""
    retries: Annotated[Integer, at_least(0)] | None = None
    """How many times the Charge Point must retry the upload before giving up; absent: up to it (errata 3.50)."""
    retry_interval: Annotated[Seconds, at_least(0)] | None = None
    """Seconds after which a retry may be attempted; absent: up to the Charge Point."""
    start_time: DateTime | None = None
    """Date and time of the oldest logging information to include."""
    stop_time: DateTime | None = None
    """Date and time of the latest logging information to include."""


class UpdateFirmwareResponse(Response):
    """UpdateFirmware.conf (OCPP 1.6 §6.56), sent by the Charge Point. No fields."""

    action = Action.UpdateFirmware


class UpdateFirmwareRequest(Request):
    """UpdateFirmware.req (OCPP 1.6 §6.55), sent by the Central System."""

    action = Action.UpdateFirmware
    response = UpdateFirmwareResponse

    location: URI
    """Where to retrieve the firmware: FTP, FTPS, HTTP or HTTPS (§8)."""
    retrieve_date: DateTime
    """Date and time after which the Charge Point is allowed to retrieve the firmware (errata 3.63)."""
    retries: Annotated[Integer, at_least(0)] | None = None
    """How many times the Charge Point must try to download the firmware before giving up; absent: up to it."""
    retry_interval: Annotated[Seconds, at_least(0)] | None = None
    """Seconds after which a retry may be attempted; absent: up to the Charge Point."""
