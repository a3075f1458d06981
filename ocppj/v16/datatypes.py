"""The datatypes of OCPP 1.6 (§7) and of the security whitepaper (edition 2, §6) that messages are made of."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from ocppj.messages import DateTime, Integer, Seconds, Structure, Tenths, at_least
from ocppj.v16.enums import (
    AuthorizationStatus,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    HashAlgorithmEnumType,
    Location,
    Measurand,
    Phase,
    ReadingContext,
    RecurrencyKindType,
    UnitOfMeasure,
    ValueFormat,
)

CiString20 = Annotated[str, Meta(max_length=20)]
"""A case insensitive string of at most 20 characters (§7.15)."""
CiString25 = Annotated[str, Meta(max_length=25)]
"""A case insensitive string of at most 25 characters (§7.16)."""
CiString50 = Annotated[str, Meta(max_length=50)]
"""A case insensitive string of at most 50 characters (§7.17)."""
CiString255 = Annotated[str, Meta(max_length=255)]
"""A case insensitive string of at most 255 characters (§7.18)."""
CiString500 = Annotated[str, Meta(max_length=500)]
"""A case insensitive string of at most 500 characters (§7.19)."""
IdToken = CiString20
"""The identifier used for authorization: a case insensitive string of at most 20 characters (§7.28)."""
PEM = Annotated[str, Meta(max_length=5500)]
"""A PEM encoded X.509 certificate or signing request of at most 5500 characters (security whitepaper)."""


class IdTagInfo(Structure):
    """Status information about an identifier (OCPP 1.6 §7.27); without an expiryDate the status has no end date."""

    status: AuthorizationStatus
    """Whether the idTag has been accepted or not by the Central System."""
    expiry_date: DateTime | None = None
    """The date at which the idTag should be removed from the Authorization Cache."""
    parent_id_tag: IdToken | None = None
    """The parent identifier."""


class AuthorizationData(Structure):
    """An entry of a Local Authorization List update (OCPP 1.6 §7.1)."""

    id_tag: IdToken
    """The identifier to which this authorization applies."""
    id_tag_info: IdTagInfo | None = None
    """Status, expiry and parent; required in a Full update, absent in a Differential one to delete the entry."""


class KeyValue(Structure):
    """A configuration key in GetConfiguration.conf (OCPP 1.6 §7.29)."""

    key: CiString50
    """Name of the key."""
    readonly: bool
    """False if the value can be set with the ChangeConfiguration message."""
    value: CiString500 | None = None
    """Absent if the key is known but not set."""


class SampledValue(Structure):
    """A single sampled value (OCPP 1.6 §7.43)."""

    value: Annotated[str, Meta(extra={"never_empty": True})]
    """A raw decimal number or, in hex, signed data: see format. In the unit of ``unit``."""
    context: ReadingContext | None = None
    """Why it was taken; absent means Sample.Periodic."""
    format: ValueFormat | None = None
    """Raw or signed data; absent means Raw."""
    measurand: Measurand | None = None
    """Type of measurement; absent means Energy.Active.Import.Register."""
    phase: Phase | None = None
    """The phase, or the two between which it was measured; absent means an overall value."""
    location: Location | None = None
    """Location of measurement; absent means Outlet."""
    unit: UnitOfMeasure | None = None
    """Unit of the value; absent means Wh if the measurand is an energy."""


class MeterValue(Structure):
    """Sampled values that were all sampled at the same point in time (OCPP 1.6 §7.33)."""

    timestamp: DateTime | None
    """When they were sampled; ``None`` only where a charge point sent none that can be read."""
    sampled_value: Annotated[list[SampledValue], Meta(min_length=1, extra={"droppable": True})]
    """One or more measured values; empty only where a charge point sent none that can be used."""


MeterValueList = Annotated[list[MeterValue], Meta(extra={"droppable": True})]
"""Meter values as a charge point lists them; one that is unusable costs only itself."""


class ChargingSchedulePeriod(Structure):
    """A time period in a charging schedule (OCPP 1.6 §7.14)."""

    start_period: Annotated[Seconds, at_least(0)]
    """Start of the period, in seconds from the start of the schedule; also the end of the period before. The first is
    0."""
    limit: Tenths
    """Charging rate limit in the schedule's chargingRateUnit (A per phase, or W in all), at most one digit after the
    point."""
    number_phases: Integer | None = None
    """The number of phases that can be used for charging; absent means 3."""


class ChargingSchedule(Structure):
    """A list of charging periods (OCPP 1.6 §7.13)."""

    charging_rate_unit: ChargingRateUnitType
    """The unit of measure in which limits are expressed."""
    charging_schedule_period: Annotated[list[ChargingSchedulePeriod], Meta(min_length=1)]
    """The periods that define maximum power or current over time; the startPeriod of the first is always 0 (errata
    3.45)."""
    duration: Seconds | None = None
    """Duration in seconds; absent: the last period continues indefinitely, or until the end of the transaction."""
    start_schedule: DateTime | None = None
    """Start of an absolute schedule; absent: relative to the start of charging. Never in GetCompositeSchedule.conf
    (errata 3.57)."""
    min_charging_rate: Tenths | None = None
    """Minimum charging rate supported by the EV, in chargingRateUnit, at most one digit after the point."""

    def broken_rules(self) -> Iterator[tuple[str, str]]:
        if self.charging_schedule_period[0].start_period != 0:
            yield "chargingSchedulePeriod[0].startPeriod", "the first period starts at 0 (OCPP 1.6 errata 3.45)"


class ChargingProfile(Structure):
    """A ChargingSchedule, and when it applies (OCPP 1.6 §7.8)."""

    charging_profile_id: Integer
    """Unique identifier for this profile."""
    stack_level: Annotated[Integer, at_least(0)]
    """Level in the hierarchy stack of profiles: higher values have precedence over lower ones; the lowest level is
    0."""
    charging_profile_purpose: ChargingProfilePurposeType
    """The purpose of the schedule transferred by this message."""
    charging_profile_kind: ChargingProfileKindType
    """The kind of schedule."""
    charging_schedule: ChargingSchedule
    """Limits for the available power or current over time."""
    transaction_id: Integer | None = None
    """The transaction to which a TxProfile applies; only with that purpose."""
    recurrency_kind: RecurrencyKindType | None = None
    """The start point of a recurrence; only with the kind Recurring (errata 3.56)."""
    valid_from: DateTime | None = None
    """When the profile starts to be valid; absent: as soon as it is received by the Charge Point."""
    valid_to: DateTime | None = None
    """When the profile stops to be valid; absent: valid until it is replaced by another one."""

    def broken_rules(self) -> Iterator[tuple[str, str]]:
        if self.transaction_id is not None and self.charging_profile_purpose != ChargingProfilePurposeType.TxProfile:
            yield "transactionId", "only with the purpose TxProfile (OCPP 1.6 §7.8)"
        if self.recurrency_kind is not None and self.charging_profile_kind != ChargingProfileKindType.Recurring:
            yield "recurrencyKind", "only with the kind Recurring (OCPP 1.6 errata 3.56)"


class CertificateHashDataType(Structure):
    """What identifies an installed certificate (security whitepaper §6.1)."""

    hash_algorithm: HashAlgorithmEnumType
    """The algorithm used for the hashes."""
    issuer_name_hash: Annotated[str, Meta(max_length=128)]
    """Hashed value of the issuer's name."""
    issuer_key_hash: Annotated[str, Meta(max_length=128)]
    """Hashed value of the issuer's public key."""
    serial_number: Annotated[str, Meta(max_length=40)]
    """The serial number of the certificate."""


class FirmwareType(Structure):
    """A firmware that can be loaded onto the Charge Point (security whitepaper §6.7)."""

    location: Annotated[str, Meta(max_length=512)]
    """URI defining the origin of the firmware."""
    retrieve_date_time: DateTime
    """Date and time at which the firmware shall be retrieved."""
    signing_certificate: PEM
    """Certificate with which the firmware was signed: PEM encoded X.509."""
    signature: Annotated[str, Meta(max_length=800)]
    """Base64 encoded firmware signature."""
    install_date_time: DateTime | None = None
    """Date and time at which the firmware shall be installed."""


class LogParametersType(Structure):
    """Which log entries, and where they should be sent (security whitepaper §6.12)."""

    remote_location: Annotated[str, Meta(max_length=512)]
    """The URL of the location at the remote system where the log should be stored."""
    oldest_timestamp: DateTime | None = None
    """Date and time of the oldest logging information to include."""
    latest_timestamp: DateTime | None = None
    """Date and time of the latest logging information to include."""
