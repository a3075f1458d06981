"""The database, one file per aggregate."""

from ocpp_app.models.api_token import ApiToken
from ocpp_app.models.authorization_cache import AuthorizationCache, ToldTag
from ocpp_app.models.availability import Availability, AvailabilityState, ConnectorAvailability
from ocpp_app.models.charge_point import (
    ChargePoint,
    Connector,
    QuirkNote,
    RegistrationStatus,
    SecurityProfile,
    StatusHistory,
    UnknownIdTagPolicy,
)
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
from ocpp_app.models.housekeeping import Lease
from ocpp_app.models.id_tag import ANONYMOUS, IdTag, key_of
from ocpp_app.models.local_list import ListSelection, ListState, LocalList, LocalListEntry
from ocpp_app.models.membership import Membership, Role, Scope
from ocpp_app.models.message import Direction, FailedMessage, Message
from ocpp_app.models.meter_value import MeterValue
from ocpp_app.models.organisation import Organisation
from ocpp_app.models.power_sample import PowerSample
from ocpp_app.models.reservation import OPEN_RESERVATION_STATES, Reservation, ReservationState
from ocpp_app.models.security_log import AppendOnly, AuditEntry, SecurityEvent, SecurityEventKind
from ocpp_app.models.security_upgrade import UPGRADING, SecurityUpgrade, UpgradeState
from ocpp_app.models.session import Gateway, Session
from ocpp_app.models.sign_in import SignIn
from ocpp_app.models.site import ChargePointGroup, Site
from ocpp_app.models.tariff import Tariff, TariffWindow
from ocpp_app.models.transaction import Anomaly, AnomalyKind, ClosedBy, Transaction

__all__ = [
    "ALIVE_STATES",
    "ANONYMOUS",
    "OPEN_RESERVATION_STATES",
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
    "ChargePoint",
    "ChargePointGroup",
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
    "Direction",
    "Event",
    "FailedMessage",
    "Gateway",
    "IdTag",
    "Inquiry",
    "InstallationState",
    "Lease",
    "ListSelection",
    "ListState",
    "LocalList",
    "LocalListEntry",
    "Membership",
    "Message",
    "MeterValue",
    "Organisation",
    "PowerSample",
    "ProfileAssignment",
    "ProfileInstallation",
    "ProfileKind",
    "ProfilePurpose",
    "QuirkNote",
    "RateUnit",
    "Recurrency",
    "RegistrationStatus",
    "Reservation",
    "ReservationState",
    "Role",
    "Scope",
    "SecurityEvent",
    "SecurityEventKind",
    "SecurityProfile",
    "SecurityUpgrade",
    "Session",
    "SignIn",
    "Site",
    "StatusHistory",
    "Tariff",
    "TariffWindow",
    "TemplateValue",
    "ToldTag",
    "Transaction",
    "UnknownIdTagPolicy",
    "UpgradeState",
    "WantedState",
    "WebhookDelivery",
    "WebhookStream",
    "WebhookSubscription",
    "key_of",
    "name_of",
    "outcomes_of",
]
