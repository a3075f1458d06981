"""The Local Auth List Management profile's commands (OCPP 1.6 §5.10, §5.15)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocppj.v16 import (
    Action,
    GetLocalListVersionRequest,
    GetLocalListVersionResponse,
    SendLocalListRequest,
    SendLocalListResponse,
    UpdateStatus,
    UpdateType,
)
from simulator.commands.reply import Handler, Reply

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def get_local_list_version(charge_point: "ChargePoint", _request: GetLocalListVersionRequest, _now: float) -> Reply:
    """The version of the list, 0 for an empty one (§5.10)."""
    return Reply(GetLocalListVersionResponse(list_version=charge_point.reader.local_list.reported_version))


def send_local_list(charge_point: "ChargePoint", request: SendLocalListRequest, _now: float) -> Reply:
    """Replace or change the list (§5.15)."""
    configuration = charge_point.configuration
    changes = request.local_authorization_list or []
    if not configuration.boolean("LocalAuthListEnabled"):
        return Reply(SendLocalListResponse(status=UpdateStatus.NotSupported))
    if len(changes) > configuration.integer("SendLocalListMaxLength"):
        return Reply(SendLocalListResponse(status=UpdateStatus.Failed))
    update_type = UpdateType(request.update_type)
    status = charge_point.reader.local_list.update(update_type, request.list_version, changes)
    return Reply(SendLocalListResponse(status=status))


HANDLERS: Mapping[str, Handler] = {
    Action.GetLocalListVersion: get_local_list_version,
    Action.SendLocalList: send_local_list,
}
