/* The configuration keys of a charge point (OCPP 1.6 §9, errata 3.82, 3.88 and 3.89, OCPP-J §7, security whitepaper §4). */

const MEASURANDS = [
    "Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC", "Power.Offered",
    "Current.Offered", "Temperature", "Frequency",
];
const PHASED_MEASURANDS = ["Current.Import", "Voltage"];
const MOST_MEASURANDS = 12;
const DEFAULT_MEASURANDS = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC";
const ROTATIONS = ["NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR"];

/** The items of a comma separated list. */
export function split(value) {
    return value.split(",").map((item) => item.trim()).filter(Boolean);
}

const isBoolean = (value) => /^(true|false)$/i.test(value);

const isInteger = (minimum = 0, maximum = 2 ** 31 - 1) => (value) =>
    /^\s*\d{1,12}\s*$/.test(value) && Number(value) >= minimum && Number(value) <= maximum;

const areMeasurands = (phases) => (value) => {
    const items = split(value);
    return items.length <= MOST_MEASURANDS && items.every((item) => {
        if (MEASURANDS.includes(item)) return true;
        const [, measurand, phase] = /^(.*)\.L([123])$/.exec(item) ?? []; // OCPP 1.6 §9.1.17
        return PHASED_MEASURANDS.includes(measurand) && Number(phase) <= phases;
    });
};

const arePhaseRotations = (value) =>
    split(value).every((item) => /^\d+$/.test(item.split(".")[0]) && ROTATIONS.includes(item.split(".")[1]));

/** Reads and changes keys by name, whatever the case (the type of a key is CiString50Type). */
export class Configuration {
    #keys = new Map();

    constructor({ connectors, phases, sampleIntervalS }) {
        for (const key of standardKeys(connectors, phases, sampleIntervalS)) {
            this.#keys.set(key.name.toLowerCase(), { nextValue: null, ...key });
        }
    }

    [Symbol.iterator]() {
        return this.#keys.values();
    }

    get(name) {
        return this.#keys.get(name.toLowerCase());
    }

    value(name) {
        return this.get(name).value;
    }

    boolean(name) {
        return this.value(name).toLowerCase() === "true";
    }

    integer(name) {
        return Number(this.value(name));
    }

    items(name) {
        return split(this.value(name));
    }

    /** Set a key from the inside, read-only or not. */
    set(name, value) {
        this.get(name).value = String(value);
    }

    /** What ChangeConfiguration.req does (OCPP 1.6 §5.3). */
    change(name, value) {
        const key = this.get(name);
        if (key === undefined) return "NotSupported";
        if (key.isReadonly || !key.isValid(value)) return "Rejected";
        if (key.needsReboot) {
            key.nextValue = value;
            return "RebootRequired";
        }
        key.value = value;
        return "Accepted";
    }

    /** Put what waited for a reboot into force. */
    reboot() {
        for (const key of this) {
            if (key.nextValue !== null) [key.value, key.nextValue] = [key.nextValue, null];
        }
    }
}

function standardKeys(connectors, phases, sampleIntervalS) {
    const readonly = (name, value) => ({ name, value: String(value), isReadonly: true });
    const boolean = (name, value) => ({ name, value: String(value), isValid: isBoolean });
    const integer = (name, value, { minimum, maximum, ...more } = {}) => ({
        name, value: String(value), isValid: isInteger(minimum, maximum), ...more,
    });
    const measurands = (name, value) => [
        { name, value, isValid: areMeasurands(phases) }, readonly(`${name}MaxLength`, MOST_MEASURANDS),
    ];
    const rotation = phases === 3 ? "RST" : "NotApplicable";
    const rotations = Array.from({ length: connectors + 1 }, (_, number) => `${number}.${rotation}`).join(",");
    return [
        boolean("AllowOfflineTxForUnknownId", false),
        { name: "AuthorizationKey", value: "", isSecret: true, isValid: (value) => /^[\x21-\x7e]{16,40}$/.test(value) },
        boolean("AuthorizationCacheEnabled", true),
        boolean("AuthorizeRemoteTxRequests", false),
        readonly("CertificateSignedMaxChainSize", 10_000),
        readonly("CertificateStoreMaxLength", 10),
        integer("ClockAlignedDataInterval", 0, { maximum: 86_400 }),
        integer("ConnectionTimeOut", 120),
        { name: "ConnectorPhaseRotation", value: rotations, isValid: arePhaseRotations },
        readonly("ConnectorPhaseRotationMaxLength", connectors + 1),
        { name: "CpoName", value: "", isValid: (value) => value.length <= 50 },
        readonly("GetConfigurationMaxKeys", 100),
        integer("HeartbeatInterval", 3600),
        boolean("LocalAuthorizeOffline", true),
        boolean("LocalPreAuthorize", false),
        integer("MaxEnergyOnInvalidId", 0),
        integer("MessageTimeout", 30, { minimum: 1 }),
        ...measurands("MeterValuesAlignedData", DEFAULT_MEASURANDS),
        ...measurands("MeterValuesSampledData", DEFAULT_MEASURANDS),
        integer("MeterValueSampleInterval", sampleIntervalS),
        readonly("NumberOfConnectors", connectors),
        integer("ResetRetries", 1),
        integer("SecurityProfile", 0, { maximum: 2 }),
        boolean("StopTransactionOnEVSideDisconnect", true),
        boolean("StopTransactionOnInvalidId", true),
        readonly("StopTransactionMaxMeterValues", 500),
        ...measurands("StopTxnAlignedData", ""),
        ...measurands("StopTxnSampledData", ""),
        readonly(
            "SupportedFeatureProfiles",
            "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        ),
        integer("TransactionMessageAttempts", 3, { minimum: 1 }),
        integer("TransactionMessageRetryInterval", 60),
        boolean("UnlockConnectorOnEVSideDisconnect", true),
        integer("WebSocketPingInterval", 0, { maximum: 0 }), // a browser answers pings, and can send none
        boolean("LocalAuthListEnabled", true),
        readonly("LocalAuthListMaxLength", 10_000),
        readonly("SendLocalListMaxLength", 100),
        readonly("ReserveConnectorZeroSupported", true),
        readonly("ChargeProfileMaxStackLevel", 10),
        readonly("ChargingScheduleAllowedChargingRateUnit", "Current,Power"),
        readonly("ChargingScheduleMaxPeriods", 48),
        readonly("ConnectorSwitch3to1PhaseSupported", false),
        readonly("MaxChargingProfilesInstalled", 40),
        readonly("SupportedFileTransferProtocols", "HTTP,HTTPS"),
        readonly("AdditionalRootCertificateCheck", false),
    ];
}
