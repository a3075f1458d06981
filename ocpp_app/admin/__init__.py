"""Django admin for every model, one file per aggregate."""

from ocpp_app.admin.access import ApiTokenAdmin, MembershipAdmin
from ocpp_app.admin.anomaly import AnomalyAdmin
from ocpp_app.admin.authorization_cache import AuthorizationCacheAdmin, ToldTagAdmin
from ocpp_app.admin.availability import ConnectorAvailabilityAdmin
from ocpp_app.admin.campaign import CampaignTargetAdmin, FirmwareCampaignAdmin
from ocpp_app.admin.certificate import CertificateRequestAdmin, InstalledCertificateAdmin
from ocpp_app.admin.charge_point import ChargePointAdmin
from ocpp_app.admin.charge_point_security_event import ChargePointSecurityEventAdmin
from ocpp_app.admin.charging_profile import (
    ChargingProfileAdmin,
    ChargingProfilePeriodAdmin,
    CompositeScheduleAdmin,
    ProfileAssignmentAdmin,
    ProfileInstallationAdmin,
)
from ocpp_app.admin.command import CommandAdmin
from ocpp_app.admin.command_batch import CommandBatchAdmin
from ocpp_app.admin.configuration import (
    ConfigurationKeyAdmin,
    ConfigurationTemplateAdmin,
    InquiryAdmin,
    TemplateValueAdmin,
)
from ocpp_app.admin.connector import ConnectorAdmin, StatusHistoryAdmin
from ocpp_app.admin.event import EventAdmin, WebhookDeliveryAdmin, WebhookStreamAdmin, WebhookSubscriptionAdmin
from ocpp_app.admin.firmware import FirmwareAdmin
from ocpp_app.admin.housekeeping import LeaseAdmin
from ocpp_app.admin.id_tag import IdTagAdmin
from ocpp_app.admin.local_list import LocalListAdmin, LocalListEntryAdmin
from ocpp_app.admin.message import FailedMessageAdmin, MessageAdmin
from ocpp_app.admin.meter_value import MeterValueAdmin
from ocpp_app.admin.organisation import OrganisationAdmin
from ocpp_app.admin.power_sample import PowerSampleAdmin
from ocpp_app.admin.quirk_note import QuirkNoteAdmin
from ocpp_app.admin.reservation import ReservationAdmin
from ocpp_app.admin.security import AuditEntryAdmin, SecurityEventAdmin, SecurityUpgradeAdmin
from ocpp_app.admin.session import GatewayAdmin, SessionAdmin
from ocpp_app.admin.site import ChargePointGroupAdmin, SiteAdmin
from ocpp_app.admin.tariff import TariffAdmin, TariffWindowAdmin
from ocpp_app.admin.tasks import DiagnosticsTaskAdmin, FirmwareTaskAdmin, TaskStatusAdmin
from ocpp_app.admin.transaction import TransactionAdmin

__all__ = [
    "AnomalyAdmin",
    "ApiTokenAdmin",
    "AuditEntryAdmin",
    "AuthorizationCacheAdmin",
    "CampaignTargetAdmin",
    "CertificateRequestAdmin",
    "ChargePointAdmin",
    "ChargePointGroupAdmin",
    "ChargePointSecurityEventAdmin",
    "ChargingProfileAdmin",
    "ChargingProfilePeriodAdmin",
    "CommandAdmin",
    "CommandBatchAdmin",
    "CompositeScheduleAdmin",
    "ConfigurationKeyAdmin",
    "ConfigurationTemplateAdmin",
    "ConnectorAdmin",
    "ConnectorAvailabilityAdmin",
    "DiagnosticsTaskAdmin",
    "EventAdmin",
    "FailedMessageAdmin",
    "FirmwareAdmin",
    "FirmwareCampaignAdmin",
    "FirmwareTaskAdmin",
    "GatewayAdmin",
    "IdTagAdmin",
    "InquiryAdmin",
    "InstalledCertificateAdmin",
    "LeaseAdmin",
    "LocalListAdmin",
    "LocalListEntryAdmin",
    "MembershipAdmin",
    "MessageAdmin",
    "MeterValueAdmin",
    "OrganisationAdmin",
    "PowerSampleAdmin",
    "ProfileAssignmentAdmin",
    "ProfileInstallationAdmin",
    "QuirkNoteAdmin",
    "ReservationAdmin",
    "SecurityEventAdmin",
    "SecurityUpgradeAdmin",
    "SessionAdmin",
    "SiteAdmin",
    "StatusHistoryAdmin",
    "TariffAdmin",
    "TariffWindowAdmin",
    "TaskStatusAdmin",
    "TemplateValueAdmin",
    "ToldTagAdmin",
    "TransactionAdmin",
    "WebhookDeliveryAdmin",
    "WebhookStreamAdmin",
    "WebhookSubscriptionAdmin",
]
