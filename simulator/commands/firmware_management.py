"""The Firmware Management profile's commands (OCPP 1.6 §5.9, §5.19)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocppj.v16 import (
    Action,
    GetDiagnosticsRequest,
    GetDiagnosticsResponse,
    UpdateFirmwareRequest,
    UpdateFirmwareResponse,
)
from simulator.commands.reply import Handler, Reply

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def get_diagnostics(charge_point: "ChargePoint", request: GetDiagnosticsRequest, now: float) -> Reply:
    """Upload what is known about the last days (§5.9)."""
    return Reply(GetDiagnosticsResponse(file_name=charge_point.maintenance.get_diagnostics(request, now)))


def update_firmware(charge_point: "ChargePoint", request: UpdateFirmwareRequest, now: float) -> Reply:
    """Fetch and install new firmware (§5.19)."""
    charge_point.maintenance.update_firmware(request, now)
    return Reply(UpdateFirmwareResponse())


HANDLERS: Mapping[str, Handler] = {
    Action.GetDiagnostics: get_diagnostics,
    Action.UpdateFirmware: update_firmware,
}
