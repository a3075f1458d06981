"""The database, one file per aggregate.

``db_index=False`` of a foreign key: another index begins with it and finds all that its own would (or, where it is
empty in nearly every row, there is one of the other rows). Each index is written to with every row: two that lead to
the same are one too many. Indexes of tables that grow rise with time, also where the newest is asked for first:
rows that come in at the end leave full pages behind them, at the beginning half empty ones.
``tests/ocpp_app/test_indexes.py`` says which there must be, and which must not.
"""

from ocpp_app.models.api_token import ApiToken
from ocpp_app.models.authorization_cache import AuthorizationCache, ToldTag
from ocpp_app.models.availability import Availability, AvailabilityState, ConnectorAvailability
from ocpp_app.models.campaign import (
    OPEN_CAMPAIGN_STATES,
    CampaignState,
    CampaignTarget,
    FirmwareCampaign,
    TargetState,
    amount_of,
    campaign_outcomes,
)
from ocpp_app.models.certificate import CertificateRequest, CertificateUse, InstalledCertificate, RequestState
from ocpp_app.models.charge_point import (
    ChargePoint,
    Connector,
    QuirkNote,
    RegistrationStatus,
    SecurityProfile,
    StatusHistory,
    UnknownIdTagPolicy,
)
from ocpp_app.models.charge_point_security_event import CRITICAL_EVENTS, ChargePointSecurityEvent
from ocpp_app.models.charging_profile import (
    ChargingProfile,
    ChargingProfilePeriod,
    CompositeSchedule,
    InstallationState,
    ProfileAssignment,
    ProfileInstallation,
    ProfileKind,
    ProfilePurpose,
    RateUnit,
    Recurrency,
)
from ocpp_app.models.command import ALIVE_STATES, TRANSITIONS, Command, CommandState
from ocpp_app.models.command_batch import CommandBatch, outcomes_of
from ocpp_app.models.configuration import (
    ConfigurationKey,
    ConfigurationTemplate,
    Inquiry,
    TemplateValue,
    WantedState,
    name_of,
)
from ocpp_app.models.event import DeliveryState, Event, WebhookDelivery, WebhookStream, WebhookSubscription
from ocpp_app.models.files import private_files
from ocpp_app.models.firmware import Firmware
from ocpp_app.models.housekeeping import Lease, Pruning
from ocpp_app.models.id_tag import ANONYMOUS, IdTag, key_of
from ocpp_app.models.local_list import ListSelection, ListState, LocalList, LocalListEntry
from ocpp_app.models.membership import Membership, Role, Scope
from ocpp_app.models.message import Direction, FailedMessage, Message
from ocpp_app.models.meter_value import MeterValue, MeterValueMean
from ocpp_app.models.organisation import Organisation
from ocpp_app.models.power_sample import PowerSample
from ocpp_app.models.reservation import OPEN_RESERVATION_STATES, Reservation, ReservationState
from ocpp_app.models.security_log import AppendOnly, AuditEntry, SecurityEvent, SecurityEventKind
from ocpp_app.models.security_upgrade import UPGRADING, SecurityUpgrade, UpgradeState
from ocpp_app.models.session import Gateway, Session
from ocpp_app.models.sign_in import SignIn
from ocpp_app.models.site import ChargePointGroup, Site
from ocpp_app.models.tariff import Tariff, TariffWindow
from ocpp_app.models.task import (
    OPEN_TASK_STATES,
    DiagnosticsKind,
    DiagnosticsTask,
    FirmwareTask,
    TaskState,
    TaskStatus,
)
from ocpp_app.models.transaction import Anomaly, AnomalyKind, ClosedBy, RollUp, Transaction

__all__ = [
    "ALIVE_STATES",
    "ANONYMOUS",
    "CRITICAL_EVENTS",
    "OPEN_CAMPAIGN_STATES",
    "OPEN_RESERVATION_STATES",
    "OPEN_TASK_STATES",
    "TRANSITIONS",
    "UPGRADING",
    "Anomaly",
    "AnomalyKind",
    "ApiToken",
    "AppendOnly",
    "AuditEntry",
    "AuthorizationCache",
    "Availability",
    "AvailabilityState",
    "CampaignState",
    "CampaignTarget",
    "CertificateRequest",
    "CertificateUse",
    "ChargePoint",
    "ChargePointGroup",
    "ChargePointSecurityEvent",
    "ChargingProfile",
    "ChargingProfilePeriod",
    "ClosedBy",
    "Command",
    "CommandBatch",
    "CommandState",
    "CompositeSchedule",
    "ConfigurationKey",
    "ConfigurationTemplate",
    "Connector",
    "ConnectorAvailability",
    "DeliveryState",
    "DiagnosticsKind",
    "DiagnosticsTask",
    "Direction",
    "Event",
    "FailedMessage",
    "Firmware",
    "FirmwareCampaign",
    "FirmwareTask",
    "Gateway",
    "IdTag",
    "Inquiry",
    "InstallationState",
    "InstalledCertificate",
    "Lease",
    "ListSelection",
    "ListState",
    "LocalList",
    "LocalListEntry",
    "Membership",
    "Message",
    "MeterValue",
    "MeterValueMean",
    "Organisation",
    "PowerSample",
    "ProfileAssignment",
    "ProfileInstallation",
    "ProfileKind",
    "ProfilePurpose",
    "Pruning",
    "QuirkNote",
    "RateUnit",
    "Recurrency",
    "RegistrationStatus",
    "RequestState",
    "Reservation",
    "ReservationState",
    "Role",
    "RollUp",
    "Scope",
    "SecurityEvent",
    "SecurityEventKind",
    "SecurityProfile",
    "SecurityUpgrade",
    "Session",
    "SignIn",
    "Site",
    "StatusHistory",
    "TargetState",
    "Tariff",
    "TariffWindow",
    "TaskState",
    "TaskStatus",
    "TemplateValue",
    "ToldTag",
    "Transaction",
    "UnknownIdTagPolicy",
    "UpgradeState",
    "WantedState",
    "WebhookDelivery",
    "WebhookStream",
    "WebhookSubscription",
    "amount_of",
    "campaign_outcomes",
    "key_of",
    "name_of",
    "outcomes_of",
    "private_files",
]
