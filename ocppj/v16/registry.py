"""OCPP 1.6 as a ``Protocol``: every action with its messages, its sender, its profile and the section that describes
it."""

from ocppj.messages import Request
from ocppj.protocol import ActionSpec, Protocol, Sender
from ocppj.v16 import (
    core,
    firmware_management,
    local_auth_list_management,
    remote_trigger,
    reservation,
    security,
    smart_charging,
)
from ocppj.v16.enums import FeatureProfile

SUBPROTOCOL = "ocpp1.6"
"""The websocket subprotocol (OCPP-J 1.6 §3.1.2)."""

_CHARGE_POINT, _CENTRAL_SYSTEM, _BOTH = Sender.charge_point, Sender.central_system, Sender.both

_Row = tuple[type[Request], Sender, str]
_TABLE: dict[FeatureProfile, tuple[_Row, ...]] = {
    FeatureProfile.Core: (
        (core.AuthorizeRequest, _CHARGE_POINT, "OCPP 1.6 §4.1"),
        (core.BootNotificationRequest, _CHARGE_POINT, "OCPP 1.6 §4.2"),
        (core.ChangeAvailabilityRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.2"),
        (core.ChangeConfigurationRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.3"),
        (core.ClearCacheRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.4"),
        (core.DataTransferRequest, _BOTH, "OCPP 1.6 §4.3, §5.6"),
        (core.GetConfigurationRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.8"),
        (core.HeartbeatRequest, _CHARGE_POINT, "OCPP 1.6 §4.6"),
        (core.MeterValuesRequest, _CHARGE_POINT, "OCPP 1.6 §4.7"),
        (core.RemoteStartTransactionRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.11"),
        (core.RemoteStopTransactionRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.12"),
        (core.ResetRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.14"),
        (core.StartTransactionRequest, _CHARGE_POINT, "OCPP 1.6 §4.8"),
        (core.StatusNotificationRequest, _CHARGE_POINT, "OCPP 1.6 §4.9"),
        (core.StopTransactionRequest, _CHARGE_POINT, "OCPP 1.6 §4.10"),
        (core.UnlockConnectorRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.18"),
    ),
    FeatureProfile.FirmwareManagement: (
        (firmware_management.GetDiagnosticsRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.9"),
        (firmware_management.DiagnosticsStatusNotificationRequest, _CHARGE_POINT, "OCPP 1.6 §4.4"),
        (firmware_management.FirmwareStatusNotificationRequest, _CHARGE_POINT, "OCPP 1.6 §4.5"),
        (firmware_management.UpdateFirmwareRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.19"),
    ),
    FeatureProfile.LocalAuthListManagement: (
        (local_auth_list_management.GetLocalListVersionRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.10"),
        (local_auth_list_management.SendLocalListRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.15"),
    ),
    FeatureProfile.Reservation: (
        (reservation.CancelReservationRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.1"),
        (reservation.ReserveNowRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.13"),
    ),
    FeatureProfile.SmartCharging: (
        (smart_charging.ClearChargingProfileRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.5"),
        (smart_charging.GetCompositeScheduleRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.7"),
        (smart_charging.SetChargingProfileRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.16"),
    ),
    FeatureProfile.RemoteTrigger: ((remote_trigger.TriggerMessageRequest, _CENTRAL_SYSTEM, "OCPP 1.6 §5.17"),),
    FeatureProfile.Security: (
        (security.CertificateSignedRequest, _CENTRAL_SYSTEM, "Security whitepaper A02, A03"),
        (security.DeleteCertificateRequest, _CENTRAL_SYSTEM, "Security whitepaper M04"),
        (security.ExtendedTriggerMessageRequest, _CENTRAL_SYSTEM, "Security whitepaper A02, N01, L01"),
        (security.GetInstalledCertificateIdsRequest, _CENTRAL_SYSTEM, "Security whitepaper M03"),
        (security.GetLogRequest, _CENTRAL_SYSTEM, "Security whitepaper N01"),
        (security.InstallCertificateRequest, _CENTRAL_SYSTEM, "Security whitepaper M05"),
        (security.LogStatusNotificationRequest, _CHARGE_POINT, "Security whitepaper N01"),
        (security.SecurityEventNotificationRequest, _CHARGE_POINT, "Security whitepaper A04"),
        (security.SignCertificateRequest, _CHARGE_POINT, "Security whitepaper A02, A03"),
        (security.SignedFirmwareStatusNotificationRequest, _CHARGE_POINT, "Security whitepaper L01"),
        (security.SignedUpdateFirmwareRequest, _CENTRAL_SYSTEM, "Security whitepaper L01"),
    ),
}

PROTOCOL = Protocol(
    SUBPROTOCOL,
    (
        ActionSpec(request.action, request, request.response, sender, profile, section)
        for profile, rows in _TABLE.items()
        for request, sender, section in rows
    ),
)
"""OCPP 1.6 edition 2 with its errata, and the security whitepaper, edition 2."""
