"""The Core profile of OCPP 1.6 (§3.3): what every charge point speaks."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from ocppj.messages import DateTime, Integer, Request, Response, Seconds, Text, WattHours, at_least
from ocppj.v16.datatypes import (
    ChargingProfile,
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    CiString500,
    IdTagInfo,
    IdToken,
    KeyValue,
    MeterValueList,
)
from ocppj.v16.enums import (
    Action,
    AvailabilityStatus,
    AvailabilityType,
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfilePurposeType,
    ClearCacheStatus,
    ConfigurationStatus,
    DataTransferStatus,
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
    ResetStatus,
    ResetType,
    UnlockStatus,
)


class AuthorizeResponse(Response):
    """Authorize.conf (OCPP 1.6 §6.2), sent by the Central System."""

    action = Action.Authorize

    id_tag_info: IdTagInfo
    """Authorization status, expiry and parent id."""


class AuthorizeRequest(Request):
    """Authorize.req (OCPP 1.6 §6.1), sent by the Charge Point: may this identifier charge?"""

    action = Action.Authorize
    response = AuthorizeResponse

    id_tag: IdToken
    """The identifier that needs to be authorized."""


class BootNotificationResponse(Response):
    """BootNotification.conf (OCPP 1.6 §6.4), sent by the Central System."""

    action = Action.BootNotification

    current_time: DateTime
    """The Central System's current time."""
    interval: Annotated[Seconds, at_least(0)]
    """Heartbeat interval in seconds if Accepted, else the minimum wait before the next BootNotification; 0: up to the
    Charge Point."""
    status: RegistrationStatus
    """Whether the Charge Point has been registered within the Central System."""


class BootNotificationRequest(Request):
    """BootNotification.req (OCPP 1.6 §6.3), sent by the Charge Point after each (re)boot."""

    action = Action.BootNotification
    response = BootNotificationResponse

    charge_point_vendor: CiString20
    """Vendor of the Charge Point."""
    charge_point_model: CiString20
    """Model of the Charge Point."""
    charge_point_serial_number: CiString25 | None = None
    """Serial number of the Charge Point."""
    charge_box_serial_number: CiString25 | None = None
    """Serial number of the Charge Box inside the Charge Point; deprecated."""
    firmware_version: CiString50 | None = None
    """Firmware version of the Charge Point."""
    iccid: CiString20 | None = None
    """ICCID of the modem's SIM card."""
    imsi: CiString20 | None = None
    """IMSI of the modem's SIM card."""
    meter_type: CiString25 | None = None
    """Type of the main electrical meter of the Charge Point."""
    meter_serial_number: CiString25 | None = None
    """Serial number of the main electrical meter of the Charge Point."""


class ChangeAvailabilityResponse(Response):
    """ChangeAvailability.conf (OCPP 1.6 §6.8), sent by the Charge Point."""

    action = Action.ChangeAvailability

    status: AvailabilityStatus
    """Whether the Charge Point is able to perform the availability change."""


class ChangeAvailabilityRequest(Request):
    """ChangeAvailability.req (OCPP 1.6 §6.7), sent by the Central System."""

    action = Action.ChangeAvailability
    response = ChangeAvailabilityResponse

    connector_id: Annotated[Integer, at_least(0)]
    """The connector whose availability needs to change; 0: the Charge Point and all its connectors."""
    type: AvailabilityType
    """The type of availability change that the Charge Point should perform."""


class ChangeConfigurationResponse(Response):
    """ChangeConfiguration.conf (OCPP 1.6 §6.10), sent by the Charge Point."""

    action = Action.ChangeConfiguration

    status: ConfigurationStatus
    """Whether the configuration change has been accepted."""


class ChangeConfigurationRequest(Request):
    """ChangeConfiguration.req (OCPP 1.6 §6.9), sent by the Central System."""

    action = Action.ChangeConfiguration
    response = ChangeConfigurationResponse

    key: CiString50
    """Name of the configuration setting to change; the standard ones are in OCPP 1.6 §9."""
    value: CiString500
    """The new value as a string."""


class ClearCacheResponse(Response):
    """ClearCache.conf (OCPP 1.6 §6.12), sent by the Charge Point."""

    action = Action.ClearCache

    status: ClearCacheStatus
    """Accepted if the Charge Point has executed the request, otherwise Rejected."""


class ClearCacheRequest(Request):
    """ClearCache.req (OCPP 1.6 §6.11), sent by the Central System: forget the Authorization Cache. No fields."""

    action = Action.ClearCache
    response = ClearCacheResponse


class DataTransferResponse(Response):
    """DataTransfer.conf (OCPP 1.6 §6.16), sent by either side."""

    action = Action.DataTransfer

    status: DataTransferStatus
    """Success or failure of the data transfer."""
    data: Text | None = None
    """Data in response to the request; length undefined."""


class DataTransferRequest(Request):
    """DataTransfer.req (OCPP 1.6 §6.15), sent by either side: what OCPP itself does not know."""

    action = Action.DataTransfer
    response = DataTransferResponse

    vendor_id: CiString255
    """The vendor-specific implementation; SHOULD be from the reversed DNS namespace (§4.3)."""
    message_id: CiString50 | None = None
    """Additional identification of a particular message or implementation."""
    data: Text | None = None
    """Data without specified length or format."""


class GetConfigurationResponse(Response):
    """GetConfiguration.conf (OCPP 1.6 §6.24), sent by the Charge Point."""

    action = Action.GetConfiguration

    configuration_key: Annotated[list[KeyValue], Meta(extra={"droppable": True})] | None = None
    """Requested or known keys."""
    unknown_key: list[CiString50] | None = None
    """Requested keys that are unknown."""


class GetConfigurationRequest(Request):
    """GetConfiguration.req (OCPP 1.6 §6.23), sent by the Central System."""

    action = Action.GetConfiguration
    response = GetConfigurationResponse

    key: list[CiString50] | None = None
    """Keys whose value is requested; absent or empty: all. At most GetConfigurationMaxKeys of the Charge Point."""


class HeartbeatResponse(Response):
    """Heartbeat.conf (OCPP 1.6 §6.30), sent by the Central System."""

    action = Action.Heartbeat

    current_time: DateTime
    """The current time of the Central System; the Charge Point sets its clock by it."""


class HeartbeatRequest(Request):
    """Heartbeat.req (OCPP 1.6 §6.29), sent by the Charge Point to show that it is still connected. No fields."""

    action = Action.Heartbeat
    response = HeartbeatResponse


class MeterValuesResponse(Response):
    """MeterValues.conf (OCPP 1.6 §6.32), sent by the Central System. No fields."""

    action = Action.MeterValues


class MeterValuesRequest(Request):
    """MeterValues.req (OCPP 1.6 §6.31), sent by the Charge Point."""

    action = Action.MeterValues
    response = MeterValuesResponse

    connector_id: Annotated[Integer, at_least(0)]
    """The connector; 0: the main power meter."""
    meter_value: Annotated[MeterValueList, Meta(min_length=1)]
    """The sampled meter values with timestamps; empty only where a charge point sent none that can be used."""
    transaction_id: Integer | None = None
    """The transaction to which these meter samples are related; -1: its StartTransaction was never answered (errata
    3.18)."""


class RemoteStartTransactionResponse(Response):
    """RemoteStartTransaction.conf (OCPP 1.6 §6.34), sent by the Charge Point."""

    action = Action.RemoteStartTransaction

    status: RemoteStartStopStatus
    """Whether the Charge Point accepts the request and will attempt to start a transaction (errata 3.32)."""


class RemoteStartTransactionRequest(Request):
    """RemoteStartTransaction.req (OCPP 1.6 §6.33), sent by the Central System."""

    action = Action.RemoteStartTransaction
    response = RemoteStartTransactionResponse

    id_tag: IdToken
    """The identifier that the Charge Point must use to start a transaction."""
    connector_id: Annotated[Integer, at_least(1)] | None = None
    """The connector on which to start the transaction, > 0; absent: up to the Charge Point."""
    charging_profile: ChargingProfile | None = None
    """Profile for the requested transaction, with the purpose TxProfile and without a transactionId (errata 3.41)."""

    def broken_rules(self) -> Iterator[tuple[str, str]]:
        profile = self.charging_profile
        if profile is None:
            return
        if profile.charging_profile_purpose != ChargingProfilePurposeType.TxProfile:
            yield "chargingProfile.chargingProfilePurpose", "a remote start takes a TxProfile only (OCPP 1.6 §6.33)"
        if profile.transaction_id is not None:
            yield "chargingProfile.transactionId", "not set in a remote start (OCPP 1.6 errata 3.41)"


class RemoteStopTransactionResponse(Response):
    """RemoteStopTransaction.conf (OCPP 1.6 §6.36), sent by the Charge Point."""

    action = Action.RemoteStopTransaction

    status: RemoteStartStopStatus
    """Whether the Charge Point accepts the request, and the transaction is ongoing and will be stopped (errata
    3.33)."""


class RemoteStopTransactionRequest(Request):
    """RemoteStopTransaction.req (OCPP 1.6 §6.35), sent by the Central System."""

    action = Action.RemoteStopTransaction
    response = RemoteStopTransactionResponse

    transaction_id: Integer
    """The transaction which the Charge Point is requested to stop."""


class ResetResponse(Response):
    """Reset.conf (OCPP 1.6 §6.40), sent by the Charge Point."""

    action = Action.Reset

    status: ResetStatus
    """Whether the Charge Point is able to perform the reset."""


class ResetRequest(Request):
    """Reset.req (OCPP 1.6 §6.39), sent by the Central System."""

    action = Action.Reset
    response = ResetResponse

    type: ResetType
    """The type of reset that the Charge Point should perform."""


class StartTransactionResponse(Response):
    """StartTransaction.conf (OCPP 1.6 §6.46), sent by the Central System."""

    action = Action.StartTransaction

    id_tag_info: IdTagInfo
    """Authorization status, expiry and parent id."""
    transaction_id: Integer
    """The transaction's id, supplied by the Central System; unique and positive is recommended (errata 3.54)."""


class StartTransactionRequest(Request):
    """StartTransaction.req (OCPP 1.6 §6.45), sent by the Charge Point."""

    action = Action.StartTransaction
    response = StartTransactionResponse

    connector_id: Annotated[Integer, at_least(1)]
    """The connector that is used, > 0."""
    id_tag: IdToken
    """The identifier for which a transaction has to be started."""
    meter_start: WattHours
    """Meter value in Wh for the connector at start of the transaction."""
    timestamp: DateTime | None
    """When the transaction is started; ``None`` only where a charge point sent none that can be read."""
    reservation_id: Integer | None = None
    """The reservation that terminates as a result of this transaction."""


class StatusNotificationResponse(Response):
    """StatusNotification.conf (OCPP 1.6 §6.48), sent by the Central System. No fields."""

    action = Action.StatusNotification


class StatusNotificationRequest(Request):
    """StatusNotification.req (OCPP 1.6 §6.47), sent by the Charge Point."""

    action = Action.StatusNotification
    response = StatusNotificationResponse

    connector_id: Annotated[Integer, at_least(0)]
    """The connector for which the status is reported; 0: the Charge Point's main controller."""
    error_code: ChargePointErrorCode
    """The error code reported by the Charge Point."""
    status: ChargePointStatus
    """The current status of the connector or, for connector 0, of the Charge Point."""
    info: CiString50 | None = None
    """Additional free format information related to the error."""
    timestamp: DateTime | None = None
    """The time for which the status is reported; absent: the time of receipt."""
    vendor_id: CiString255 | None = None
    """The vendor-specific implementation."""
    vendor_error_code: CiString50 | None = None
    """The vendor-specific error code."""


class StopTransactionResponse(Response):
    """StopTransaction.conf (OCPP 1.6 §6.50), sent by the Central System."""

    action = Action.StopTransaction

    id_tag_info: IdTagInfo | None = None
    """Authorization status, expiry and parent id; absent where the transaction was stopped without an identifier."""


class StopTransactionRequest(Request):
    """StopTransaction.req (OCPP 1.6 §6.49), sent by the Charge Point."""

    action = Action.StopTransaction
    response = StopTransactionResponse

    meter_stop: WattHours
    """Meter value in Wh for the connector at end of the transaction."""
    timestamp: DateTime | None
    """When the transaction is stopped; ``None`` only where a charge point sent none that can be read."""
    transaction_id: Integer | None
    """Id from StartTransaction.conf; -1: it was never received (errata 3.18); ``None`` only where a charge point sent
    none."""
    id_tag: IdToken | None = None
    """The identifier which requested to stop the charging, if there was one."""
    reason: Reason | None = None
    """Why the transaction was stopped; absent means Local."""
    transaction_data: MeterValueList | None = None
    """Transaction usage details relevant for billing purposes."""


class UnlockConnectorResponse(Response):
    """UnlockConnector.conf (OCPP 1.6 §6.54), sent by the Charge Point."""

    action = Action.UnlockConnector

    status: UnlockStatus
    """Whether the Charge Point has unlocked the connector."""


class UnlockConnectorRequest(Request):
    """UnlockConnector.req (OCPP 1.6 §6.53), sent by the Central System."""

    action = Action.UnlockConnector
    response = UnlockConnectorResponse

    connector_id: Annotated[Integer, at_least(1)]
    """The connector to be unlocked, > 0."""
