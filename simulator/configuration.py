"""The configuration keys of a charge point (OCPP 1.6 §9, errata 3.82, 3.88 and 3.89, OCPP-J §7)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ocppj.v16 import ConfigurationStatus

MEASURANDS = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
    "SoC",
    "Power.Offered",
    "Current.Offered",
    "Temperature",
    "Frequency",
)
"""What the simulated meter can measure."""
PHASED_MEASURANDS = ("Current.Import", "Voltage")
MOST_MEASURANDS = 12
DEFAULT_MEASURANDS = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"

Check = Callable[[str], bool]


@dataclass(slots=True)
class Key:
    """One configuration key; ``needs_reboot`` says that a new ``value`` is in ``next_value`` until then."""

    name: str
    value: str
    is_valid: Check
    is_readonly: bool = False
    needs_reboot: bool = False
    is_secret: bool = False
    """Write-only: its value is not told."""
    next_value: str | None = None


def _is_boolean(value: str) -> bool:
    return value.casefold() in ("true", "false")


def _is_integer(minimum: int = 0, maximum: int = 2**31 - 1) -> Check:
    def is_valid(value: str) -> bool:
        digits = value.strip()
        return digits.isascii() and digits.isdecimal() and minimum <= int(digits) <= maximum

    return is_valid


def _is_measurand(item: str, phases: int) -> bool:
    if item in MEASURANDS:
        return True
    measurand, _, phase = item.rpartition(".")  # OCPP 1.6 §9.1.17: combined with the phase, for instance Voltage.L1
    return measurand in PHASED_MEASURANDS and phase in ("L1", "L2", "L3")[:phases]


def _are_measurands(phases: int) -> Check:
    def is_valid(value: str) -> bool:
        items = split(value)
        return len(items) <= MOST_MEASURANDS and all(_is_measurand(item, phases) for item in items)

    return is_valid


def _is_phase_rotation(value: str) -> bool:
    rotations = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")
    return all(item.partition(".")[0].isdecimal() and item.partition(".")[2] in rotations for item in split(value))


def _is_password(value: str) -> bool:
    return 32 <= len(value) <= 40 and len(value) % 2 == 0 and all(digit in "0123456789abcdefABCDEF" for digit in value)


def _is_never_valid(_value: str) -> bool:
    return False


def split(value: str) -> list[str]:
    """The items of a comma separated list."""
    return [item.strip() for item in value.split(",") if item.strip()]


class Configuration:
    """Reads and changes keys by name, whatever the case (the type of a key is CiString50Type)."""

    def __init__(self, *, connectors: int, phases: int, sample_interval_s: int) -> None:
        self._keys = {key.name.casefold(): key for key in _standard_keys(connectors, phases, sample_interval_s)}

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def get(self, name: str) -> Key | None:
        """The key, or None where the charge point does not know it."""
        return self._keys.get(name.casefold())

    def value(self, name: str) -> str:
        """The value in force of a key that exists."""
        return self._keys[name.casefold()].value

    def boolean(self, name: str) -> bool:
        """The value of a boolean key."""
        return self.value(name).casefold() == "true"

    def integer(self, name: str) -> int:
        """The value of an integer key."""
        return int(self.value(name))

    def items(self, name: str) -> list[str]:
        """The items of a key that is a comma separated list."""
        return split(self.value(name))

    def set(self, name: str, value: str) -> None:
        """Set a key from the inside, read-only or not."""
        self._keys[name.casefold()].value = value

    def change(self, name: str, value: str) -> ConfigurationStatus:
        """What ChangeConfiguration.req does (OCPP 1.6 §5.3)."""
        key = self.get(name)
        if key is None:
            return ConfigurationStatus.NotSupported
        if key.is_readonly or not key.is_valid(value):
            return ConfigurationStatus.Rejected
        if key.needs_reboot:
            key.next_value = value
            return ConfigurationStatus.RebootRequired
        key.value = value
        return ConfigurationStatus.Accepted

    def reboot(self) -> None:
        """Put what waited for a reboot into force."""
        for key in self._keys.values():
            if key.next_value is not None:
                key.value, key.next_value = key.next_value, None


def _standard_keys(connectors: int, phases: int, sample_interval_s: int) -> list[Key]:
    def readonly(name: str, value: object) -> Key:
        return Key(name, str(value), _is_never_valid, is_readonly=True)

    def boolean(name: str, value: bool) -> Key:
        return Key(name, str(value).lower(), _is_boolean)

    def integer(
        name: str, value: int, *, minimum: int = 0, maximum: int = 2**31 - 1, needs_reboot: bool = False
    ) -> Key:
        return Key(name, str(value), _is_integer(minimum, maximum), needs_reboot=needs_reboot)

    def measurands(name: str, value: str) -> list[Key]:
        return [Key(name, value, _are_measurands(phases)), readonly(f"{name}MaxLength", MOST_MEASURANDS)]

    rotation = "RST" if phases == 3 else "NotApplicable"
    return [
        boolean("AllowOfflineTxForUnknownId", value=False),
        Key("AuthorizationKey", "", _is_password, is_secret=True),
        boolean("AuthorizationCacheEnabled", value=True),
        boolean("AuthorizeRemoteTxRequests", value=False),
        integer("ClockAlignedDataInterval", 0, maximum=86_400),
        integer("ConnectionTimeOut", 120),
        Key("ConnectorPhaseRotation", ",".join(f"{n}.{rotation}" for n in range(connectors + 1)), _is_phase_rotation),
        readonly("ConnectorPhaseRotationMaxLength", connectors + 1),
        readonly("GetConfigurationMaxKeys", 100),
        integer("HeartbeatInterval", 3600),
        boolean("LocalAuthorizeOffline", value=True),
        boolean("LocalPreAuthorize", value=False),
        integer("MaxEnergyOnInvalidId", 0),
        integer("MessageTimeout", 30, minimum=1),
        *measurands("MeterValuesAlignedData", DEFAULT_MEASURANDS),
        *measurands("MeterValuesSampledData", DEFAULT_MEASURANDS),
        integer("MeterValueSampleInterval", sample_interval_s),
        readonly("NumberOfConnectors", connectors),
        integer("ResetRetries", 1),
        boolean("StopTransactionOnEVSideDisconnect", value=True),
        boolean("StopTransactionOnInvalidId", value=True),
        readonly("StopTransactionMaxMeterValues", 500),
        *measurands("StopTxnAlignedData", ""),
        *measurands("StopTxnSampledData", ""),
        readonly(
            "SupportedFeatureProfiles",
            "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        ),
        integer("TransactionMessageAttempts", 3, minimum=1),
        integer("TransactionMessageRetryInterval", 60),
        boolean("UnlockConnectorOnEVSideDisconnect", value=True),
        integer("WebSocketPingInterval", 60, needs_reboot=True),
        boolean("LocalAuthListEnabled", value=True),
        readonly("LocalAuthListMaxLength", 10_000),
        readonly("SendLocalListMaxLength", 100),
        readonly("ReserveConnectorZeroSupported", "true"),
        readonly("ChargeProfileMaxStackLevel", 10),
        readonly("ChargingScheduleAllowedChargingRateUnit", "Current,Power"),
        readonly("ChargingScheduleMaxPeriods", 48),
        readonly("ConnectorSwitch3to1PhaseSupported", "false"),
        readonly("MaxChargingProfilesInstalled", 40),
        readonly("SupportedFileTransferProtocols", "HTTP,HTTPS"),
        readonly("AdditionalRootCertificateCheck", "false"),
        readonly("CertificateSignedMaxChainSize", 10_000),
        readonly("CertificateStoreMaxLength", 10),
        Key("CpoName", "Simulated operator", lambda value: 0 < len(value) <= 64),
    ]
