"""Every enumeration of OCPP 1.6 (§7) and of the security whitepaper (edition 2, §6).

A value with a dot or a hyphen has an underscore in its member's name: ``Measurand.Energy_Active_Import_Register``. The
members are strings: a tolerant decoder leaves an unknown value as a plain ``str`` in the field, and comparisons go on
working.
"""

from enum import StrEnum


class Action(StrEnum):
    """Every action of OCPP 1.6 and of the security whitepaper; what each means stands at its messages."""

    Authorize = "Authorize"
    BootNotification = "BootNotification"
    CancelReservation = "CancelReservation"
    CertificateSigned = "CertificateSigned"
    ChangeAvailability = "ChangeAvailability"
    ChangeConfiguration = "ChangeConfiguration"
    ClearCache = "ClearCache"
    ClearChargingProfile = "ClearChargingProfile"
    DataTransfer = "DataTransfer"
    DeleteCertificate = "DeleteCertificate"
    DiagnosticsStatusNotification = "DiagnosticsStatusNotification"
    ExtendedTriggerMessage = "ExtendedTriggerMessage"
    FirmwareStatusNotification = "FirmwareStatusNotification"
    GetCompositeSchedule = "GetCompositeSchedule"
    GetConfiguration = "GetConfiguration"
    GetDiagnostics = "GetDiagnostics"
    GetInstalledCertificateIds = "GetInstalledCertificateIds"
    GetLocalListVersion = "GetLocalListVersion"
    GetLog = "GetLog"
    Heartbeat = "Heartbeat"
    InstallCertificate = "InstallCertificate"
    LogStatusNotification = "LogStatusNotification"
    MeterValues = "MeterValues"
    RemoteStartTransaction = "RemoteStartTransaction"
    RemoteStopTransaction = "RemoteStopTransaction"
    ReserveNow = "ReserveNow"
    Reset = "Reset"
    SecurityEventNotification = "SecurityEventNotification"
    SendLocalList = "SendLocalList"
    SetChargingProfile = "SetChargingProfile"
    SignCertificate = "SignCertificate"
    SignedFirmwareStatusNotification = "SignedFirmwareStatusNotification"
    SignedUpdateFirmware = "SignedUpdateFirmware"
    StartTransaction = "StartTransaction"
    StatusNotification = "StatusNotification"
    StopTransaction = "StopTransaction"
    TriggerMessage = "TriggerMessage"
    UnlockConnector = "UnlockConnector"
    UpdateFirmware = "UpdateFirmware"


class FeatureProfile(StrEnum):
    """The feature profiles of OCPP 1.6 §3.3, as SupportedFeatureProfiles names them (§9.1), and the security
    whitepaper."""

    Core = "Core"
    """Basic Charge Point functionality, required of every one."""
    FirmwareManagement = "FirmwareManagement"
    """Firmware update management and diagnostic log file download."""
    LocalAuthListManagement = "LocalAuthListManagement"
    """Managing the local authorization list in Charge Points."""
    Reservation = "Reservation"
    """Reservation of a Charge Point."""
    SmartCharging = "SmartCharging"
    """Basic smart charging, for instance using the control pilot."""
    RemoteTrigger = "RemoteTrigger"
    """Remote triggering of messages that a Charge Point initiates."""
    Security = "Security"
    """Improved security for OCPP 1.6-J; no name that SupportedFeatureProfiles knows."""


class AuthorizationStatus(StrEnum):
    """Status of an idTag in a response (OCPP 1.6 §7.2)."""

    Accepted = "Accepted"
    """Identifier is allowed for charging."""
    Blocked = "Blocked"
    """Identifier has been blocked. Not allowed for charging."""
    Expired = "Expired"
    """Identifier has expired. Not allowed for charging."""
    Invalid = "Invalid"
    """Identifier is unknown. Not allowed for charging."""
    ConcurrentTx = "ConcurrentTx"
    """Identifier is already involved in another transaction and multiple ones are not allowed (only for
    StartTransaction)."""


class AvailabilityStatus(StrEnum):
    """Status returned in response to ChangeAvailability.req (OCPP 1.6 §7.3)."""

    Accepted = "Accepted"
    """Request has been accepted and will be executed."""
    Rejected = "Rejected"
    """Request has not been accepted and will not be executed."""
    Scheduled = "Scheduled"
    """Request has been accepted and will be executed when transaction(s) in progress have finished."""


class AvailabilityType(StrEnum):
    """Requested availability change in ChangeAvailability.req (OCPP 1.6 §7.4)."""

    Inoperative = "Inoperative"
    """Charge point is not available for charging."""
    Operative = "Operative"
    """Charge point is available for charging."""


class CancelReservationStatus(StrEnum):
    """Status in CancelReservation.conf (OCPP 1.6 §7.5)."""

    Accepted = "Accepted"
    """Reservation for the identifier has been cancelled."""
    Rejected = "Rejected"
    """Reservation could not be cancelled, because there is no reservation active for the identifier."""


class ChargePointErrorCode(StrEnum):
    """Charge Point status reported in StatusNotification.req (OCPP 1.6 §7.6)."""

    ConnectorLockFailure = "ConnectorLockFailure"
    """Failure to lock or unlock connector."""
    EVCommunicationError = "EVCommunicationError"
    """Communication failure with the vehicle; no real error: the connector goes to SuspendedEVSE, not to Faulted."""
    GroundFailure = "GroundFailure"
    """Ground fault circuit interrupter has been activated."""
    HighTemperature = "HighTemperature"
    """Temperature inside Charge Point is too high."""
    InternalError = "InternalError"
    """Error in internal hard- or software component."""
    LocalListConflict = "LocalListConflict"
    """The authorization information received from the Central System is in conflict with the LocalAuthorizationList."""
    NoError = "NoError"
    """No error to report."""
    OtherError = "OtherError"
    """Other type of error. More information in vendorErrorCode."""
    OverCurrentFailure = "OverCurrentFailure"
    """Over current protection device has tripped."""
    OverVoltage = "OverVoltage"
    """Voltage has risen above an acceptable level."""
    PowerMeterFailure = "PowerMeterFailure"
    """Failure to read electrical/energy/power meter."""
    PowerSwitchFailure = "PowerSwitchFailure"
    """Failure to control power switch."""
    ReaderFailure = "ReaderFailure"
    """Failure with idTag reader."""
    ResetFailure = "ResetFailure"
    """Unable to perform a reset."""
    UnderVoltage = "UnderVoltage"
    """Voltage has dropped below an acceptable level."""
    WeakSignal = "WeakSignal"
    """Wireless communication device reports a weak signal."""


class ChargePointStatus(StrEnum):
    """Status in StatusNotification.req (OCPP 1.6 §7.7); connector 0 knows Available, Unavailable and Faulted only."""

    Available = "Available"
    """A connector is available for a new user (operative)."""
    Preparing = "Preparing"
    """No longer available for a new user, but no transaction yet: a tag, a cable or a vehicle is there (operative)."""
    Charging = "Charging"
    """The contactor closes, allowing the vehicle to charge (operative)."""
    SuspendedEVSE = "SuspendedEVSE"
    """The EV is connected but the EVSE offers no energy: smart charging, local limits, no authorization (operative)."""
    SuspendedEV = "SuspendedEV"
    """The EVSE is ready to offer energy but the EV is not asking or taking any (operative; errata 3.55)."""
    Finishing = "Finishing"
    """A transaction has stopped, but the connector is not yet available for a new user (operative)."""
    Reserved = "Reserved"
    """Reserved as a result of a ReserveNow (operative)."""
    Unavailable = "Unavailable"
    """Unavailable as the result of a ChangeAvailability or at the Charge Point's discretion (inoperative)."""
    Faulted = "Faulted"
    """An error was reported; not available for energy delivery (inoperative)."""


class ChargingProfileKindType(StrEnum):
    """Kind of a ChargingProfile (OCPP 1.6 §7.9)."""

    Absolute = "Absolute"
    """Schedule periods are relative to a fixed point in time defined in the schedule."""
    Recurring = "Recurring"
    """The schedule restarts periodically at the first schedule period."""
    Relative = "Relative"
    """Schedule periods are relative to a start that the Charge Point determines, such as the start of a transaction."""


class ChargingProfilePurposeType(StrEnum):
    """Purpose of a ChargingProfile (OCPP 1.6 §7.10)."""

    ChargePointMaxProfile = "ChargePointMaxProfile"
    """Configuration for the maximum power or current available for an entire Charge Point."""
    TxDefaultProfile = "TxDefaultProfile"
    """Default for new transactions, unless a RemoteStartTransaction brought a profile that was accepted."""
    TxProfile = "TxProfile"
    """Constraints on the current transaction, or on the one a RemoteStartTransaction starts; ends with the
    transaction."""


class ChargingProfileStatus(StrEnum):
    """Status returned in response to SetChargingProfile.req (OCPP 1.6 §7.11)."""

    Accepted = "Accepted"
    """Request has been accepted and will be executed."""
    Rejected = "Rejected"
    """Request has not been accepted and will not be executed."""
    NotSupported = "NotSupported"
    """Charge Point indicates that the request is not supported."""


class ChargingRateUnitType(StrEnum):
    """Unit in which a charging schedule is defined (OCPP 1.6 §7.12)."""

    W = "W"
    """Watts: the total allowed charging power of all phases; usually more convenient for DC."""
    A = "A"
    """Amperes per phase, not the sum of all phases; usually more convenient for AC."""


class ClearCacheStatus(StrEnum):
    """Status returned in response to ClearCache.req (OCPP 1.6 §7.20)."""

    Accepted = "Accepted"
    """Command has been executed."""
    Rejected = "Rejected"
    """Command has not been executed; also the answer of a Charge Point without a cache (errata 3.23)."""


class ClearChargingProfileStatus(StrEnum):
    """Status returned in response to ClearChargingProfile.req (OCPP 1.6 §7.21)."""

    Accepted = "Accepted"
    """Request has been accepted and will be executed."""
    Unknown = "Unknown"
    """No Charging Profile(s) were found matching the request."""


class ConfigurationStatus(StrEnum):
    """Status in ChangeConfiguration.conf (OCPP 1.6 §7.22)."""

    Accepted = "Accepted"
    """Configuration key is supported and setting has been changed."""
    Rejected = "Rejected"
    """Configuration key is supported, but setting could not be changed."""
    RebootRequired = "RebootRequired"
    """Setting has been changed, but the change will be available after reboot (Charge Point will not reboot itself)."""
    NotSupported = "NotSupported"
    """Configuration key is not supported."""


class DataTransferStatus(StrEnum):
    """Status in DataTransfer.conf (OCPP 1.6 §7.23)."""

    Accepted = "Accepted"
    """Message has been accepted and the contained request is accepted."""
    Rejected = "Rejected"
    """Message has been accepted but the contained request is rejected."""
    UnknownMessageId = "UnknownMessageId"
    """Message could not be interpreted due to unknown messageId string."""
    UnknownVendorId = "UnknownVendorId"
    """Message could not be interpreted due to unknown vendorId string."""


class DiagnosticsStatus(StrEnum):
    """Status in DiagnosticsStatusNotification.req (OCPP 1.6 §7.24)."""

    Idle = "Idle"
    """No diagnostics related tasks; only in an answer to a TriggerMessage."""
    Uploaded = "Uploaded"
    """Diagnostics information has been uploaded."""
    UploadFailed = "UploadFailed"
    """Uploading of diagnostics failed."""
    Uploading = "Uploading"
    """File is being uploaded."""


class FirmwareStatus(StrEnum):
    """Status of a firmware download in FirmwareStatusNotification.req (OCPP 1.6 §7.25)."""

    Downloaded = "Downloaded"
    """New firmware has been downloaded by Charge Point."""
    DownloadFailed = "DownloadFailed"
    """Charge point failed to download firmware."""
    Downloading = "Downloading"
    """Firmware is being downloaded."""
    Idle = "Idle"
    """No firmware update related tasks; only in an answer to a TriggerMessage."""
    InstallationFailed = "InstallationFailed"
    """Installation of new firmware has failed."""
    Installing = "Installing"
    """Firmware is being installed."""
    Installed = "Installed"
    """New firmware has successfully been installed in charge point."""


class GetCompositeScheduleStatus(StrEnum):
    """Status returned in response to GetCompositeSchedule.req (OCPP 1.6 §7.26)."""

    Accepted = "Accepted"
    """Request has been accepted and will be executed."""
    Rejected = "Rejected"
    """Request has not been accepted and will not be executed."""


class Location(StrEnum):
    """Where a SampledValue was measured (OCPP 1.6 §7.30); absent means Outlet."""

    Body = "Body"
    """Measurement inside body of Charge Point (e.g. temperature)."""
    Cable = "Cable"
    """Measurement taken from cable between EV and Charge Point."""
    EV = "EV"
    """Measurement taken by EV."""
    Inlet = "Inlet"
    """Measurement at network ("grid") inlet connection."""
    Outlet = "Outlet"
    """Measurement at a connector. Default value."""


class Measurand(StrEnum):
    """What a SampledValue measures (OCPP 1.6 §7.31, errata 3.77); absent means Energy.Active.Import.Register.

    Import is energy flow from the grid to the Charge Point, EV or other load; export is the other way. Register values
    of a meter increase monotonically; the energy of a transaction is the difference of two of them.
    """

    Current_Export = "Current.Export"
    """Instantaneous current flow from EV."""
    Current_Import = "Current.Import"
    """Instantaneous current flow to EV."""
    Current_Offered = "Current.Offered"
    """Maximum current offered to EV."""
    Energy_Active_Export_Register = "Energy.Active.Export.Register"
    """Active energy register (Wh or kWh) of the most authoritative meter: energy exported to the grid."""
    Energy_Active_Import_Register = "Energy.Active.Import.Register"
    """Active energy register (Wh or kWh) of the most authoritative meter: energy imported from the grid supply."""
    Energy_Reactive_Export_Register = "Energy.Reactive.Export.Register"
    """Reactive energy register (varh or kvarh): energy exported to the grid."""
    Energy_Reactive_Import_Register = "Energy.Reactive.Import.Register"
    """Reactive energy register (varh or kvarh): energy imported from the grid supply."""
    Energy_Active_Export_Interval = "Energy.Active.Export.Interval"
    """Amount of active energy (Wh or kWh) exported during the interval of its reading context."""
    Energy_Active_Import_Interval = "Energy.Active.Import.Interval"
    """Amount of active energy (Wh or kWh) imported during the interval of its reading context."""
    Energy_Reactive_Export_Interval = "Energy.Reactive.Export.Interval"
    """Amount of reactive energy (varh or kvarh) exported during the interval of its reading context."""
    Energy_Reactive_Import_Interval = "Energy.Reactive.Import.Interval"
    """Amount of reactive energy (varh or kvarh) imported during the interval of its reading context."""
    Frequency = "Frequency"
    """Instantaneous reading of powerline frequency, in Hertz (errata 3.84)."""
    Power_Active_Export = "Power.Active.Export"
    """Instantaneous active power exported by EV (W or kW)."""
    Power_Active_Import = "Power.Active.Import"
    """Instantaneous active power imported by EV (W or kW)."""
    Power_Factor = "Power.Factor"
    """Instantaneous power factor of total energy flow."""
    Power_Offered = "Power.Offered"
    """Maximum power offered to EV."""
    Power_Reactive_Export = "Power.Reactive.Export"
    """Instantaneous reactive power exported by EV (var or kvar)."""
    Power_Reactive_Import = "Power.Reactive.Import"
    """Instantaneous reactive power imported by EV (var or kvar)."""
    RPM = "RPM"
    """Fan speed in RPM."""
    SoC = "SoC"
    """State of charge of charging vehicle in percentage."""
    Temperature = "Temperature"
    """Temperature reading inside Charge Point."""
    Voltage = "Voltage"
    """Instantaneous AC RMS supply voltage."""


class MessageTrigger(StrEnum):
    """Type of request to be triggered in a TriggerMessage.req (OCPP 1.6 §7.32)."""

    BootNotification = "BootNotification"
    """To trigger a BootNotification request."""
    DiagnosticsStatusNotification = "DiagnosticsStatusNotification"
    """To trigger a DiagnosticsStatusNotification request."""
    FirmwareStatusNotification = "FirmwareStatusNotification"
    """To trigger a FirmwareStatusNotification request."""
    Heartbeat = "Heartbeat"
    """To trigger a Heartbeat request."""
    MeterValues = "MeterValues"
    """To trigger a MeterValues request."""
    StatusNotification = "StatusNotification"
    """To trigger a StatusNotification request."""


class Phase(StrEnum):
    """The phase of a SampledValue (OCPP 1.6 §7.34); absent means an overall value. Not every measurand knows every
    phase."""

    L1 = "L1"
    """Measured on L1."""
    L2 = "L2"
    """Measured on L2."""
    L3 = "L3"
    """Measured on L3."""
    N = "N"
    """Measured on neutral."""
    L1_N = "L1-N"
    """Measured on L1 with respect to neutral conductor."""
    L2_N = "L2-N"
    """Measured on L2 with respect to neutral conductor."""
    L3_N = "L3-N"
    """Measured on L3 with respect to neutral conductor."""
    L1_L2 = "L1-L2"
    """Measured between L1 and L2."""
    L2_L3 = "L2-L3"
    """Measured between L2 and L3."""
    L3_L1 = "L3-L1"
    """Measured between L3 and L1."""


class ReadingContext(StrEnum):
    """Why a SampledValue was taken (OCPP 1.6 §7.35); absent means Sample.Periodic."""

    Interruption_Begin = "Interruption.Begin"
    """Value taken at start of interruption."""
    Interruption_End = "Interruption.End"
    """Value taken when resuming after interruption."""
    Other = "Other"
    """Value for any other situations."""
    Sample_Clock = "Sample.Clock"
    """Value taken at clock aligned interval."""
    Sample_Periodic = "Sample.Periodic"
    """Value taken as periodic sample relative to start time of transaction."""
    Transaction_Begin = "Transaction.Begin"
    """Value taken at start of transaction (errata 4.25)."""
    Transaction_End = "Transaction.End"
    """Value taken at end of transaction (errata 4.25)."""
    Trigger = "Trigger"
    """Value taken in response to a TriggerMessage.req."""


class Reason(StrEnum):
    """Reason for stopping a transaction in StopTransaction.req (OCPP 1.6 §7.36); absent means Local."""

    DeAuthorized = "DeAuthorized"
    """The transaction was stopped because of the authorization status in a StartTransaction.conf."""
    EmergencyStop = "EmergencyStop"
    """Emergency stop button was used."""
    EVDisconnected = "EVDisconnected"
    """Disconnecting of cable, vehicle moved away from inductive charge unit."""
    HardReset = "HardReset"
    """A hard reset command was received."""
    Local = "Local"
    """Stopped locally on request of the user at the Charge Point: a regular termination (a tag, a button)."""
    Other = "Other"
    """Any other reason."""
    PowerLoss = "PowerLoss"
    """Complete loss of power."""
    Reboot = "Reboot"
    """A locally initiated reset/reboot occurred (for instance watchdog kicked in)."""
    Remote = "Remote"
    """Stopped remotely on request of the user: a regular termination (an app, a used up credit)."""
    SoftReset = "SoftReset"
    """A soft reset command was received."""
    UnlockCommand = "UnlockCommand"
    """Central System sent an Unlock Connector command."""


class RecurrencyKindType(StrEnum):
    """Type of recurrence of a charging profile (OCPP 1.6 §7.37, errata 3.78)."""

    Daily = "Daily"
    """The schedule restarts every 24 hours, at the same time as in the startSchedule."""
    Weekly = "Weekly"
    """The schedule restarts every 7 days, at the same time and day-of-the-week as in the startSchedule."""


class RegistrationStatus(StrEnum):
    """Result of registration in response to BootNotification.req (OCPP 1.6 §7.38)."""

    Accepted = "Accepted"
    """Charge point is accepted by Central System."""
    Pending = "Pending"
    """Central System is not yet ready to accept the Charge Point; it may send messages to retrieve information or
    prepare it."""
    Rejected = "Rejected"
    """Charge point is not accepted by Central System, for example because its id is not known."""


class RemoteStartStopStatus(StrEnum):
    """The result of a RemoteStartTransaction.req or RemoteStopTransaction.req (OCPP 1.6 §7.39)."""

    Accepted = "Accepted"
    """Command will be executed."""
    Rejected = "Rejected"
    """Command will not be executed."""


class ReservationStatus(StrEnum):
    """Status in ReserveNow.conf (OCPP 1.6 §7.40)."""

    Accepted = "Accepted"
    """Reservation has been made."""
    Faulted = "Faulted"
    """Not made, because connectors or specified connector are in a faulted state."""
    Occupied = "Occupied"
    """Not made: all connectors or the specified connector are occupied."""
    Rejected = "Rejected"
    """Not made: Charge Point is not configured to accept reservations."""
    Unavailable = "Unavailable"
    """Not made, because connectors or specified connector are in an unavailable state."""


class ResetStatus(StrEnum):
    """Result of Reset.req (OCPP 1.6 §7.41)."""

    Accepted = "Accepted"
    """Command will be executed."""
    Rejected = "Rejected"
    """Command will not be executed."""


class ResetType(StrEnum):
    """Type of reset requested by Reset.req (OCPP 1.6 §7.42, errata 3.81)."""

    Hard = "Hard"
    """Restart all the hardware, without the duty to stop transactions gracefully; queued information might get lost."""
    Soft = "Soft"
    """Stop ongoing transactions gracefully, send StopTransaction.req for each, then restart the software."""


class TriggerMessageStatus(StrEnum):
    """Status in TriggerMessage.conf (OCPP 1.6 §7.44)."""

    Accepted = "Accepted"
    """Requested notification will be sent."""
    Rejected = "Rejected"
    """Requested notification will not be sent."""
    NotImplemented = "NotImplemented"
    """Requested notification cannot be sent because it is either not implemented or unknown."""


class UnitOfMeasure(StrEnum):
    """Unit of a SampledValue (OCPP 1.6 §7.45); absent means Wh where the measurand is an energy.

    ``Celcius``, the misspelling of the first JSON schemas, is taken for ``Celsius`` (J errata 2.1: support both).
    """

    Wh = "Wh"
    """Watt-hours (energy). Default."""
    kWh = "kWh"  # noqa: N815
    """Kilowatt-hours (energy)."""
    varh = "varh"
    """Var-hours (reactive energy)."""
    kvarh = "kvarh"
    """Kilovar-hours (reactive energy)."""
    W = "W"
    """Watts (power)."""
    kW = "kW"  # noqa: N815
    """Kilowatts (power)."""
    VA = "VA"
    """Volt-amperes (apparent power)."""
    kVA = "kVA"  # noqa: N815
    """Kilovolt-amperes (apparent power)."""
    var = "var"
    """Vars (reactive power)."""
    kvar = "kvar"
    """Kilovars (reactive power)."""
    A = "A"
    """Amperes (current)."""
    V = "V"
    """Volts (r.m.s. AC)."""
    Celsius = "Celsius"
    """Degrees (temperature)."""
    Fahrenheit = "Fahrenheit"
    """Degrees (temperature)."""
    K = "K"
    """Degrees Kelvin (temperature)."""
    Percent = "Percent"
    """Percentage."""
    Hertz = "Hertz"
    """Frequency: the unit that errata 3.84 prescribes, though the table of §7.45 lacks it."""

    @classmethod
    def _missing_(cls, value: object) -> "UnitOfMeasure | None":
        return cls.Celsius if value == "Celcius" else None


class UnlockStatus(StrEnum):
    """Status in response to UnlockConnector.req (OCPP 1.6 §7.46)."""

    Unlocked = "Unlocked"
    """Connector has successfully been unlocked."""
    UnlockFailed = "UnlockFailed"
    """Tried to unlock and found the connector still locked, or the mechanism failed (errata 3.85)."""
    NotSupported = "NotSupported"
    """Charge Point has no connector lock, or ConnectorId is unknown (errata 3.85)."""


class UpdateStatus(StrEnum):
    """Status in SendLocalList.conf (OCPP 1.6 §7.47)."""

    Accepted = "Accepted"
    """Local Authorization List successfully updated."""
    Failed = "Failed"
    """Failed to update the Local Authorization List."""
    NotSupported = "NotSupported"
    """Update of Local Authorization List is not supported by Charge Point."""
    VersionMismatch = "VersionMismatch"
    """Version number of a differential update is less than or equal to that of the current list."""


class UpdateType(StrEnum):
    """Type of update for a SendLocalList.req (OCPP 1.6 §7.48)."""

    Differential = "Differential"
    """The current Local Authorization List must be updated with the values in this message."""
    Full = "Full"
    """The current Local Authorization List must be replaced by the values in this message."""


class ValueFormat(StrEnum):
    """How the value of a SampledValue is to be interpreted (OCPP 1.6 §7.49); absent means Raw."""

    Raw = "Raw"
    """Data is to be interpreted as integer/decimal numeric data."""
    SignedData = "SignedData"
    """Data is represented as a signed binary data block, encoded as hex data."""


class CertificateSignedStatusEnumType(StrEnum):
    """Status in CertificateSigned.conf (security whitepaper §6.2)."""

    Accepted = "Accepted"
    """Signed certificate is valid."""
    Rejected = "Rejected"
    """Signed certificate is invalid."""


class CertificateStatusEnumType(StrEnum):
    """Status of the certificate in InstallCertificate.conf (security whitepaper §6.3)."""

    Accepted = "Accepted"
    """The installation of the certificate succeeded."""
    Failed = "Failed"
    """The certificate is valid and correct, but there is another reason the installation did not succeed."""
    Rejected = "Rejected"
    """The certificate is invalid and/or incorrect, or more certificates than allowed are to be installed."""


class CertificateUseEnumType(StrEnum):
    """Which root certificate (security whitepaper §6.4)."""

    CentralSystemRootCertificate = "CentralSystemRootCertificate"
    """Root certificate, used by the CA to sign the Central System and Charge Point certificate."""
    ManufacturerRootCertificate = "ManufacturerRootCertificate"
    """Root certificate for verification of the Manufacturer certificate."""


class DeleteCertificateStatusEnumType(StrEnum):
    """Status in DeleteCertificate.conf (security whitepaper §6.5)."""

    Accepted = "Accepted"
    """Normal successful completion (no errors)."""
    Failed = "Failed"
    """Processing failure."""
    NotFound = "NotFound"
    """Requested resource not found."""


class FirmwareStatusEnumType(StrEnum):
    """Status of a firmware update in SignedFirmwareStatusNotification.req (security whitepaper §6.6)."""

    Downloaded = "Downloaded"
    """Intermediate state. New firmware has been downloaded by Charge Point."""
    DownloadFailed = "DownloadFailed"
    """Failure end state. Charge Point failed to download firmware."""
    Downloading = "Downloading"
    """Intermediate state. Firmware is being downloaded."""
    DownloadScheduled = "DownloadScheduled"
    """Intermediate state. Downloading of new firmware has been scheduled."""
    DownloadPaused = "DownloadPaused"
    """Intermediate state. Downloading has been paused."""
    Idle = "Idle"
    """No firmware update related tasks; only in an answer to an ExtendedTriggerMessage."""
    InstallationFailed = "InstallationFailed"
    """Failure end state. Installation of new firmware has failed."""
    Installing = "Installing"
    """Intermediate state. Firmware is being installed."""
    Installed = "Installed"
    """Successful end state. New firmware has successfully been installed in Charge Point."""
    InstallRebooting = "InstallRebooting"
    """Intermediate state. Charge Point is about to reboot to activate new firmware."""
    InstallScheduled = "InstallScheduled"
    """Intermediate state. Installation is scheduled to take place on installDateTime of SignedUpdateFirmware.req."""
    InstallVerificationFailed = "InstallVerificationFailed"
    """Failure end state. Verification of the new firmware (e.g. a checksum) has failed, installation will not
    proceed."""
    InvalidSignature = "InvalidSignature"
    """Failure end state. The firmware signature is not valid."""
    SignatureVerified = "SignatureVerified"
    """Intermediate state. Provided signature successfully verified."""


class GenericStatusEnumType(StrEnum):
    """Generic message response status (security whitepaper §6.8)."""

    Accepted = "Accepted"
    """Request has been accepted and will be executed."""
    Rejected = "Rejected"
    """Request has not been accepted and will not be executed."""


class GetInstalledCertificateStatusEnumType(StrEnum):
    """Status in GetInstalledCertificateIds.conf (security whitepaper §6.9)."""

    Accepted = "Accepted"
    """Normal successful completion (no errors)."""
    NotFound = "NotFound"
    """Requested certificate not found."""


class HashAlgorithmEnumType(StrEnum):
    """Hash algorithm of a CertificateHashDataType (security whitepaper §6.10)."""

    SHA256 = "SHA256"
    """SHA-256 hash algorithm."""
    SHA384 = "SHA384"
    """SHA-384 hash algorithm."""
    SHA512 = "SHA512"
    """SHA-512 hash algorithm."""


class LogEnumType(StrEnum):
    """Which log GetLog.req asks for (security whitepaper §6.11)."""

    DiagnosticsLog = "DiagnosticsLog"
    """The diagnostics log file."""
    SecurityLog = "SecurityLog"
    """The security log."""


class LogStatusEnumType(StrEnum):
    """Status in GetLog.conf (security whitepaper §6.13)."""

    Accepted = "Accepted"
    """Accepted; the upload will now start, which does not mean that it succeeds."""
    Rejected = "Rejected"
    """Log update request rejected."""
    AcceptedCanceled = "AcceptedCanceled"
    """Accepted, but in doing this an ongoing log file upload was cancelled."""


class MessageTriggerEnumType(StrEnum):
    """Type of request to be triggered by ExtendedTriggerMessage.req (security whitepaper §6.14)."""

    BootNotification = "BootNotification"
    """To trigger BootNotification.req."""
    LogStatusNotification = "LogStatusNotification"
    """To trigger LogStatusNotification.req."""
    FirmwareStatusNotification = "FirmwareStatusNotification"
    """To trigger SignedFirmwareStatusNotification.req."""
    Heartbeat = "Heartbeat"
    """To trigger Heartbeat.req."""
    MeterValues = "MeterValues"
    """To trigger MeterValues.req."""
    SignChargePointCertificate = "SignChargePointCertificate"
    """To trigger a SignCertificate.req."""
    StatusNotification = "StatusNotification"
    """To trigger StatusNotification.req."""


class TriggerMessageStatusEnumType(StrEnum):
    """Status in ExtendedTriggerMessage.conf (security whitepaper §6.15)."""

    Accepted = "Accepted"
    """Requested message will be sent."""
    Rejected = "Rejected"
    """Requested message will not be sent."""
    NotImplemented = "NotImplemented"
    """Requested message cannot be sent because it is either not implemented or unknown."""


class UpdateFirmwareStatusEnumType(StrEnum):
    """Status in SignedUpdateFirmware.conf (security whitepaper §6.16)."""

    Accepted = "Accepted"
    """Accepted; the update will now start, which does not mean that it succeeds."""
    Rejected = "Rejected"
    """Firmware update request rejected."""
    AcceptedCanceled = "AcceptedCanceled"
    """Accepted, but in doing this an ongoing firmware update was cancelled."""
    InvalidCertificate = "InvalidCertificate"
    """The certificate is invalid."""
    RevokedCertificate = "RevokedCertificate"
    """Failure end state. The firmware signing certificate has been revoked."""


class UploadLogStatusEnumType(StrEnum):
    """Status in LogStatusNotification.req (security whitepaper §6.17)."""

    BadMessage = "BadMessage"
    """A badly formatted packet or other protocol incompatibility was detected."""
    Idle = "Idle"
    """Not uploading a log file; only in an answer to an ExtendedTriggerMessage."""
    NotSupportedOperation = "NotSupportedOperation"
    """The server does not support the operation."""
    PermissionDenied = "PermissionDenied"
    """Insufficient permissions to perform the operation."""
    Uploaded = "Uploaded"
    """File has been uploaded successfully."""
    UploadFailure = "UploadFailure"
    """Failed to upload the requested file."""
    Uploading = "Uploading"
    """File is being uploaded."""
