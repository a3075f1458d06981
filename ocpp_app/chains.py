"""Which middlewares handle what: the one table (action, message type) → middlewares, outermost first."""

from collections.abc import Mapping, Sequence
from functools import cache

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from ocpp_app import conf
from ocpp_app.errors import CallRefused
from ocpp_app.middleware import (
    AuthorizeMiddleware,
    AutoRemoteStartMiddleware,
    AvailabilityMiddleware,
    BootNotificationMiddleware,
    CancelReservationMiddleware,
    CertificateSignedMiddleware,
    ChangeAvailabilityMiddleware,
    ClearCacheMiddleware,
    ClearChargingProfileMiddleware,
    ConfigurationMiddleware,
    DataTransferMiddleware,
    DeleteCertificateMiddleware,
    DiagnosticsStatusNotificationMiddleware,
    FirmwareStatusNotificationMiddleware,
    GetCompositeScheduleMiddleware,
    GetDiagnosticsMiddleware,
    GetInstalledCertificateIdsMiddleware,
    GetLocalListVersionMiddleware,
    GetLogMiddleware,
    HeartbeatMiddleware,
    InstallCertificateMiddleware,
    LogStatusNotificationMiddleware,
    MeterValuesMiddleware,
    OCPPMiddleware,
    OCPPRequest,
    OCPPResponse,
    OrphanedTransactionMiddleware,
    ReleaseReservationMiddleware,
    RemoteStartProfileMiddleware,
    RemoteTriggerMiddleware,
    ReserveNowMiddleware,
    SecurityEventNotificationMiddleware,
    SecurityUpgradeMiddleware,
    SendLocalListMiddleware,
    SetChargingProfileMiddleware,
    SignCertificateMiddleware,
    SignedFirmwareStatusNotificationMiddleware,
    SignedUpdateFirmwareMiddleware,
    StartTransactionMiddleware,
    StatusNotificationMiddleware,
    StopTransactionMiddleware,
    UpdateFirmwareMiddleware,
    UseReservationMiddleware,
)
from ocppj.errors import ErrorCode
from ocppj.frames import MessageType
from ocppj.v16 import Action

Key = tuple[str, MessageType]
MiddlewareClass = type[OCPPMiddleware]

# --8<-- [start:defaults]
DEFAULT_CHAINS: Mapping[Key, Sequence[MiddlewareClass]] = {
    (Action.Authorize, MessageType.call): (AuthorizeMiddleware,),
    (Action.BootNotification, MessageType.call): (BootNotificationMiddleware,),
    (Action.DataTransfer, MessageType.call): (DataTransferMiddleware,),
    (Action.DiagnosticsStatusNotification, MessageType.call): (DiagnosticsStatusNotificationMiddleware,),
    (Action.FirmwareStatusNotification, MessageType.call): (FirmwareStatusNotificationMiddleware,),
    (Action.Heartbeat, MessageType.call): (HeartbeatMiddleware,),
    (Action.MeterValues, MessageType.call): (MeterValuesMiddleware,),
    (Action.StartTransaction, MessageType.call): (
        OrphanedTransactionMiddleware,
        UseReservationMiddleware,
        StartTransactionMiddleware,
    ),
    (Action.StatusNotification, MessageType.call): (
        AutoRemoteStartMiddleware,
        ReleaseReservationMiddleware,
        AvailabilityMiddleware,
        StatusNotificationMiddleware,
    ),
    (Action.StopTransaction, MessageType.call): (StopTransactionMiddleware,),
    (Action.ChangeAvailability, MessageType.call_result): (ChangeAvailabilityMiddleware,),
    (Action.ChangeAvailability, MessageType.call_error): (ChangeAvailabilityMiddleware,),
    (Action.ChangeConfiguration, MessageType.call_result): (SecurityUpgradeMiddleware, ConfigurationMiddleware),
    (Action.ChangeConfiguration, MessageType.call_error): (SecurityUpgradeMiddleware, ConfigurationMiddleware),
    (Action.Reset, MessageType.call_result): (SecurityUpgradeMiddleware,),
    (Action.Reset, MessageType.call_error): (SecurityUpgradeMiddleware,),
    (Action.GetConfiguration, MessageType.call_result): (ConfigurationMiddleware,),
    (Action.GetConfiguration, MessageType.call_error): (ConfigurationMiddleware,),
    (Action.TriggerMessage, MessageType.call_result): (RemoteTriggerMiddleware,),
    (Action.TriggerMessage, MessageType.call_error): (RemoteTriggerMiddleware,),
    (Action.CancelReservation, MessageType.call_result): (CancelReservationMiddleware,),
    (Action.ClearCache, MessageType.call_result): (ClearCacheMiddleware,),
    (Action.ClearCache, MessageType.call_error): (ClearCacheMiddleware,),
    (Action.ClearChargingProfile, MessageType.call_result): (ClearChargingProfileMiddleware,),
    (Action.ClearChargingProfile, MessageType.call_error): (ClearChargingProfileMiddleware,),
    (Action.GetCompositeSchedule, MessageType.call_result): (GetCompositeScheduleMiddleware,),
    (Action.GetLocalListVersion, MessageType.call_result): (GetLocalListVersionMiddleware,),
    (Action.GetLocalListVersion, MessageType.call_error): (GetLocalListVersionMiddleware,),
    (Action.RemoteStartTransaction, MessageType.call_result): (RemoteStartProfileMiddleware,),
    (Action.ReserveNow, MessageType.call_result): (ReserveNowMiddleware,),
    (Action.ReserveNow, MessageType.call_error): (ReserveNowMiddleware,),
    (Action.SendLocalList, MessageType.call_result): (SendLocalListMiddleware,),
    (Action.SendLocalList, MessageType.call_error): (SendLocalListMiddleware,),
    (Action.SetChargingProfile, MessageType.call_result): (SetChargingProfileMiddleware,),
    (Action.SetChargingProfile, MessageType.call_error): (SetChargingProfileMiddleware,),
    (Action.SignedFirmwareStatusNotification, MessageType.call): (SignedFirmwareStatusNotificationMiddleware,),
    (Action.LogStatusNotification, MessageType.call): (LogStatusNotificationMiddleware,),
    (Action.SecurityEventNotification, MessageType.call): (SecurityEventNotificationMiddleware,),
    (Action.SignCertificate, MessageType.call): (SignCertificateMiddleware,),
    (Action.UpdateFirmware, MessageType.call_result): (UpdateFirmwareMiddleware,),
    (Action.UpdateFirmware, MessageType.call_error): (UpdateFirmwareMiddleware,),
    (Action.SignedUpdateFirmware, MessageType.call_result): (SignedUpdateFirmwareMiddleware,),
    (Action.SignedUpdateFirmware, MessageType.call_error): (SignedUpdateFirmwareMiddleware,),
    (Action.GetDiagnostics, MessageType.call_result): (GetDiagnosticsMiddleware,),
    (Action.GetDiagnostics, MessageType.call_error): (GetDiagnosticsMiddleware,),
    (Action.GetLog, MessageType.call_result): (GetLogMiddleware,),
    (Action.GetLog, MessageType.call_error): (GetLogMiddleware,),
    (Action.CertificateSigned, MessageType.call_result): (CertificateSignedMiddleware,),
    (Action.CertificateSigned, MessageType.call_error): (CertificateSignedMiddleware,),
    (Action.InstallCertificate, MessageType.call_result): (InstallCertificateMiddleware,),
    (Action.DeleteCertificate, MessageType.call_result): (DeleteCertificateMiddleware,),
    (Action.GetInstalledCertificateIds, MessageType.call_result): (GetInstalledCertificateIdsMiddleware,),
}
# --8<-- [end:defaults]


class EndOfChain(OCPPMiddleware):
    """What the last middleware of a chain finds behind it: a CALL that nobody has answered is not supported, an
    answer needs none."""

    def __init__(self) -> None:
        super().__init__(self)

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        if request.message_type == MessageType.call:
            raise CallRefused(ErrorCode.NotSupported, f"{request.action} is not handled by this central system.")
        return OCPPResponse()


def chain(action: str, message_type: MessageType) -> OCPPMiddleware:
    """The first link of the chain for this action and message type; built once for a process."""
    return _chains().get((str(action), message_type), END)


def classes_of(entries: Sequence[MiddlewareClass | str]) -> list[MiddlewareClass]:
    """The classes that the entries of a chain name; raises ImproperlyConfigured, naming the entry."""
    return [_class_of(entry) for entry in entries]


def _class_of(entry: MiddlewareClass | str) -> MiddlewareClass:
    try:
        found = import_string(entry) if isinstance(entry, str) else entry
    except ImportError as error:
        raise ImproperlyConfigured(f"OCPP_MIDDLEWARE names {entry!r}, which cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, OCPPMiddleware)):
        raise ImproperlyConfigured(
            f"OCPP_MIDDLEWARE names {entry!r}, which is no subclass of ocpp_app.middleware.OCPPMiddleware."
        )
    return found


def link(classes: Sequence[MiddlewareClass]) -> OCPPMiddleware:
    """The classes as one chain, the first outermost."""
    first: OCPPMiddleware = END
    for middleware in reversed(classes):
        first = middleware(first)
    return first


@cache
def _chains() -> dict[tuple[str, MessageType], OCPPMiddleware]:
    table = {**DEFAULT_CHAINS, **conf.middleware()}
    return {
        (str(action), MessageType(message_type)): link(classes_of(entries))
        for (action, message_type), entries in table.items()
    }


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting == "OCPP_MIDDLEWARE":
        _chains.cache_clear()


END = EndOfChain()
setting_changed.connect(_forget)
