"""The built-in middlewares, one per file; ``ocpp_app.chains`` says where each is used."""

from ocpp_app.middleware.authorize import AuthorizeMiddleware
from ocpp_app.middleware.auto_remote_start import AutoRemoteStartMiddleware
from ocpp_app.middleware.availability import AvailabilityMiddleware
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.middleware.boot_notification import BootNotificationMiddleware
from ocpp_app.middleware.cancel_reservation import CancelReservationMiddleware
from ocpp_app.middleware.certificate_signed import CertificateSignedMiddleware
from ocpp_app.middleware.change_availability import ChangeAvailabilityMiddleware
from ocpp_app.middleware.clear_cache import ClearCacheMiddleware
from ocpp_app.middleware.clear_charging_profile import ClearChargingProfileMiddleware
from ocpp_app.middleware.configuration import ConfigurationMiddleware
from ocpp_app.middleware.data_transfer import DataTransferMiddleware
from ocpp_app.middleware.delete_certificate import DeleteCertificateMiddleware
from ocpp_app.middleware.diagnostics_status_notification import DiagnosticsStatusNotificationMiddleware
from ocpp_app.middleware.firmware_status_notification import FirmwareStatusNotificationMiddleware
from ocpp_app.middleware.get_composite_schedule import GetCompositeScheduleMiddleware
from ocpp_app.middleware.get_diagnostics import GetDiagnosticsMiddleware
from ocpp_app.middleware.get_installed_certificate_ids import GetInstalledCertificateIdsMiddleware
from ocpp_app.middleware.get_local_list_version import GetLocalListVersionMiddleware
from ocpp_app.middleware.get_log import GetLogMiddleware
from ocpp_app.middleware.heartbeat import HeartbeatMiddleware
from ocpp_app.middleware.install_certificate import InstallCertificateMiddleware
from ocpp_app.middleware.log_status_notification import LogStatusNotificationMiddleware
from ocpp_app.middleware.meter_values import MeterValuesMiddleware
from ocpp_app.middleware.orphaned_transaction import OrphanedTransactionMiddleware
from ocpp_app.middleware.release_reservation import ReleaseReservationMiddleware
from ocpp_app.middleware.remote_start_profile import RemoteStartProfileMiddleware
from ocpp_app.middleware.remote_trigger import RemoteTriggerMiddleware
from ocpp_app.middleware.reserve_now import ReserveNowMiddleware
from ocpp_app.middleware.security_event_notification import SecurityEventNotificationMiddleware
from ocpp_app.middleware.security_upgrade import SecurityUpgradeMiddleware
from ocpp_app.middleware.send_local_list import SendLocalListMiddleware
from ocpp_app.middleware.set_charging_profile import SetChargingProfileMiddleware
from ocpp_app.middleware.sign_certificate import SignCertificateMiddleware
from ocpp_app.middleware.signed_firmware_status_notification import SignedFirmwareStatusNotificationMiddleware
from ocpp_app.middleware.signed_update_firmware import SignedUpdateFirmwareMiddleware
from ocpp_app.middleware.start_transaction import StartTransactionMiddleware
from ocpp_app.middleware.status_notification import StatusNotificationMiddleware
from ocpp_app.middleware.stop_transaction import StopTransactionMiddleware
from ocpp_app.middleware.update_firmware import UpdateFirmwareMiddleware
from ocpp_app.middleware.use_reservation import UseReservationMiddleware

__all__ = [
    "AuthorizeMiddleware",
    "AutoRemoteStartMiddleware",
    "AvailabilityMiddleware",
    "BootNotificationMiddleware",
    "CancelReservationMiddleware",
    "CertificateSignedMiddleware",
    "ChangeAvailabilityMiddleware",
    "ClearCacheMiddleware",
    "ClearChargingProfileMiddleware",
    "ConfigurationMiddleware",
    "DataTransferMiddleware",
    "DeleteCertificateMiddleware",
    "DiagnosticsStatusNotificationMiddleware",
    "FirmwareStatusNotificationMiddleware",
    "GetCompositeScheduleMiddleware",
    "GetDiagnosticsMiddleware",
    "GetInstalledCertificateIdsMiddleware",
    "GetLocalListVersionMiddleware",
    "GetLogMiddleware",
    "HeartbeatMiddleware",
    "InstallCertificateMiddleware",
    "LogStatusNotificationMiddleware",
    "MeterValuesMiddleware",
    "OCPPMiddleware",
    "OCPPRequest",
    "OCPPResponse",
    "OrphanedTransactionMiddleware",
    "ReleaseReservationMiddleware",
    "RemoteStartProfileMiddleware",
    "RemoteTriggerMiddleware",
    "ReserveNowMiddleware",
    "SecurityEventNotificationMiddleware",
    "SecurityUpgradeMiddleware",
    "SendLocalListMiddleware",
    "SetChargingProfileMiddleware",
    "SignCertificateMiddleware",
    "SignedFirmwareStatusNotificationMiddleware",
    "SignedUpdateFirmwareMiddleware",
    "StartTransactionMiddleware",
    "StatusNotificationMiddleware",
    "StopTransactionMiddleware",
    "UpdateFirmwareMiddleware",
    "UseReservationMiddleware",
]
