"""The Core profile's commands (OCPP 1.6 §5)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocppj.v16 import (
    Action,
    AvailabilityStatus,
    AvailabilityType,
    ChangeAvailabilityRequest,
    ChangeAvailabilityResponse,
    ChangeConfigurationRequest,
    ChangeConfigurationResponse,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ClearCacheRequest,
    ClearCacheResponse,
    ClearCacheStatus,
    ConfigurationStatus,
    DataTransferRequest,
    DataTransferResponse,
    DataTransferStatus,
    GetConfigurationRequest,
    GetConfigurationResponse,
    KeyValue,
    Reason,
    RemoteStartStopStatus,
    RemoteStartTransactionRequest,
    RemoteStartTransactionResponse,
    RemoteStopTransactionRequest,
    RemoteStopTransactionResponse,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    ResetType,
    UnlockConnectorRequest,
    UnlockConnectorResponse,
    UnlockStatus,
)
from simulator.commands.reply import Handler, Reply
from simulator.configuration import Key
from simulator.connector import Authorization, Connector

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def change_availability(charge_point: "ChargePoint", request: ChangeAvailabilityRequest, now: float) -> Reply:
    """Operative or Inoperative, for one connector or for all (§5.2)."""
    connectors = charge_point.connectors
    if request.connector_id != 0:
        connector = charge_point.charging.connector(request.connector_id)
        if connector is None:
            return Reply(ChangeAvailabilityResponse(status=AvailabilityStatus.Rejected))
        connectors = (connector,)
    is_operative = request.type == AvailabilityType.Operative
    is_busy = any(connector.transaction is not None for connector in connectors)
    status = AvailabilityStatus.Scheduled if is_busy and not is_operative else AvailabilityStatus.Accepted

    def change() -> None:
        for connector in connectors:
            connector.is_operative = is_operative  # takes effect when the transaction has ended
        if request.connector_id == 0:
            charge_point.is_operative = is_operative
        charge_point.charging.settle(now)

    return Reply(ChangeAvailabilityResponse(status=status), change)


def change_configuration(charge_point: "ChargePoint", request: ChangeConfigurationRequest, now: float) -> Reply:
    """Set a key (§5.3)."""
    status = charge_point.configuration.change(request.key, request.value)
    if status != ConfigurationStatus.Accepted:
        return Reply(ChangeConfigurationResponse(status=status))
    return Reply(
        ChangeConfigurationResponse(status=status), lambda: charge_point.configuration_changed(request.key, now)
    )


def clear_cache(charge_point: "ChargePoint", _request: ClearCacheRequest, _now: float) -> Reply:
    """Forget the authorization cache (§5.4)."""
    if not charge_point.configuration.boolean("AuthorizationCacheEnabled"):
        return Reply(ClearCacheResponse(status=ClearCacheStatus.Rejected))  # errata 3.23
    charge_point.reader.cache.clear()
    return Reply(ClearCacheResponse(status=ClearCacheStatus.Accepted))


def data_transfer(_charge_point: "ChargePoint", _request: DataTransferRequest, _now: float) -> Reply:
    """There is no vendor whose messages it knows (§4.3)."""
    return Reply(DataTransferResponse(status=DataTransferStatus.UnknownVendorId))


def get_configuration(charge_point: "ChargePoint", request: GetConfigurationRequest, _now: float) -> Reply:
    """Read the named keys, or all (§5.8)."""
    configuration = charge_point.configuration
    if not request.key:
        return Reply(GetConfigurationResponse(configuration_key=[_key_value(key) for key in configuration]))
    known = [
        (name, configuration.get(name)) for name in request.key[: configuration.integer("GetConfigurationMaxKeys")]
    ]
    return Reply(
        GetConfigurationResponse(
            configuration_key=[_key_value(key) for _, key in known if key is not None] or None,
            unknown_key=[name for name, key in known if key is None] or None,
        )
    )


def remote_start_transaction(charge_point: "ChargePoint", request: RemoteStartTransactionRequest, now: float) -> Reply:
    """Start for a tag that the central system names (§5.11)."""
    connector = _connector_to_start(charge_point, request)
    if connector is None or not _takes_profile(charge_point, connector, request, now):
        return Reply(RemoteStartTransactionResponse(status=RemoteStartStopStatus.Rejected))

    def start() -> None:
        if charge_point.configuration.boolean("AuthorizeRemoteTxRequests"):
            charge_point.present_tag(request.id_tag, connector.connector_id, now)
        else:
            charge_point.charging.authorize(connector, Authorization(request.id_tag), now)

    return Reply(RemoteStartTransactionResponse(status=RemoteStartStopStatus.Accepted), start)


def remote_stop_transaction(charge_point: "ChargePoint", request: RemoteStopTransactionRequest, now: float) -> Reply:
    """Stop a transaction that is going on here (§5.12)."""
    connector = charge_point.charging.by_transaction(request.transaction_id)
    if connector is None or not charge_point.registration.is_accepted:
        return Reply(RemoteStopTransactionResponse(status=RemoteStartStopStatus.Rejected))
    return Reply(
        RemoteStopTransactionResponse(status=RemoteStartStopStatus.Accepted),
        lambda: charge_point.charging.stop(connector, Reason.Remote, now),
    )


def reset(charge_point: "ChargePoint", request: ResetRequest, now: float) -> Reply:
    """Restart, softly or not (§5.14, errata 3.36)."""
    is_hard = request.type == ResetType.Hard
    reason = Reason.HardReset if is_hard else Reason.SoftReset
    return Reply(
        ResetResponse(status=ResetStatus.Accepted), lambda: charge_point.begin_reset(reason, now, is_hard=is_hard)
    )


def unlock_connector(charge_point: "ChargePoint", request: UnlockConnectorRequest, now: float) -> Reply:
    """Let the cable go; a transaction is finished first (§5.18, errata 3.85)."""
    connector = charge_point.charging.connector(request.connector_id)
    if connector is None:
        return Reply(UnlockConnectorResponse(status=UnlockStatus.NotSupported))

    def unlock() -> None:
        charge_point.charging.stop(connector, Reason.UnlockCommand, now)
        connector.is_locked = False

    return Reply(UnlockConnectorResponse(status=UnlockStatus.Unlocked), unlock)


HANDLERS: Mapping[str, Handler] = {
    Action.ChangeAvailability: change_availability,
    Action.ChangeConfiguration: change_configuration,
    Action.ClearCache: clear_cache,
    Action.DataTransfer: data_transfer,
    Action.GetConfiguration: get_configuration,
    Action.RemoteStartTransaction: remote_start_transaction,
    Action.RemoteStopTransaction: remote_stop_transaction,
    Action.Reset: reset,
    Action.UnlockConnector: unlock_connector,
}


def _key_value(key: Key) -> KeyValue:
    return KeyValue(key=key.name, readonly=key.is_readonly, value=None if key.is_secret else key.value)


def _connector_to_start(charge_point: "ChargePoint", request: RemoteStartTransactionRequest) -> Connector | None:
    if not charge_point.registration.is_accepted or charge_point.is_resetting:  # §4.2: not allowed while Pending
        return None
    candidates = [
        connector
        for connector in charge_point.connectors
        if request.connector_id in (None, connector.connector_id)
        and _can_start(charge_point, connector, request.id_tag)
    ]
    # Without a connector id the charge point chooses: first where a car is waiting.
    return max(candidates, key=lambda connector: (connector.is_plugged, -connector.connector_id), default=None)


def _can_start(charge_point: "ChargePoint", connector: Connector, id_tag: str) -> bool:
    info = charge_point.reader.known(id_tag)
    parent_id_tag = None if info is None else info.parent_id_tag
    return (
        connector.is_startable
        and connector.authorization is None
        and charge_point.charging.reservations.may_use(connector, id_tag, parent_id_tag)
    )


def _takes_profile(
    charge_point: "ChargePoint", connector: Connector, request: RemoteStartTransactionRequest, now: float
) -> bool:
    """Errata 3.41: a profile that comes along is a TxProfile and has no transaction id yet."""
    profile = request.charging_profile
    if profile is None:
        return True
    if profile.charging_profile_purpose != ChargingProfilePurposeType.TxProfile or profile.transaction_id is not None:
        return False
    status = charge_point.profiles.set(connector.connector_id, profile, charge_point.clock.utc(now))
    return status == ChargingProfileStatus.Accepted
