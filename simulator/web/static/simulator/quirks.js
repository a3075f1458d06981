/* Habits of real charge points that a central system has to bear (docs/tolerance.md). Each is data: what it changes.

   - `payload(action, payload)` changes the payload of a CALL of ours before it is written;
   - `uniqueId(number)` gives the unique id of its number-th CALL;
   - `after(action, data)` gives frames that are written behind a CALL of ours;
   - the other fields are looked at where they matter: in `client.js` and `charge_point.js`. */

export const QUIRKS = {
    NoZone: { payload: (_, payload) => mapTimes(payload, (time) => time.replace(/Z$/, "")) },
    ShortOffset: { payload: (_, payload) => mapTimes(payload, (time) => shifted(time, 2)) },
    ClockNotSet: { payload: (_, payload) => mapTimes(payload, (time) => `1970-01-01${time.slice(10)}`) },
    NumbersAsStrings: { payload: (_, payload) => mapNumbers(payload, String) },
    StringsAsNumbers: { payload: (_, payload) => mapStrings(payload, asNumber) },
    Fractions: { payload: (_, payload) => mapKeys(payload, ["meterStart", "meterStop"], (wh) => Number(wh) + 0.5) },
    Lowercase: {
        payload: (_, payload) =>
            mapKeys(payload, ["status", "errorCode", "reason", "measurand"], (word) => word.toLowerCase()),
    },
    UnknownValues: {
        payload: (action, payload) => ({
            ...mapKeys(payload, ["reason"], () => "CableStolen"),
            ...(action === "StatusNotification" ? { errorCode: "SolarFlare" } : {}),
        }),
    },
    ExtraFields: { payload: (_, payload) => ({ ...payload, vendorNote: "x", firmwareBuild: 7 }) },
    NullFields: { payload: (action, payload) => ({ ...payload, ...NULLS[action] }) },
    EmptyValues: {
        payload: (action, payload) =>
            action !== "MeterValues"
                ? payload
                : { ...payload, meterValue: payload.meterValue.map((one) => ({
                    ...one, sampledValue: [...one.sampledValue, { value: "", measurand: "Temperature" }],
                })) },
    },
    LongStrings: {
        payload: (action, payload) =>
            action === "BootNotification"
                ? { ...payload, chargePointModel: payload.chargePointModel.padEnd(40, "-"), meterType: "M".repeat(60) }
                : payload,
    },
    NulPadding: {
        payload: (action, payload) =>
            action === "BootNotification" ? mapKeys(payload, ["chargePointModel"], (text) => `${text}\0\0\0`) : payload,
    },
    SameUniqueId: { uniqueId: () => "1" },
    NumericUniqueId: { uniqueId: (number) => number },
    LongUniqueId: { uniqueId: (number) => `${number}-${"0123456789abcdef".repeat(4)}` },
    StopsUnknown: {
        payload: (action, payload) => (action === "StopTransaction" ? { ...payload, transactionId: 0 } : payload),
    },
    StopsTwice: { stopsTwice: true },
    StrayAnswers: { after: () => ['[3,"nobody-asked",{}]'] },
    EmptyFrames: { after: () => [""] },
    NeverBoots: { neverBoots: true },
    BootsAlways: { bootsAlways: true },
    NoSubprotocol: { noSubprotocol: true },
    TrailingSlash: { trailingSlash: true },
    Binary: { isBinary: true },
};

const NULLS = {
    BootNotification: { iccid: null, imsi: null },
    StatusNotification: { vendorId: null, vendorErrorCode: null },
    StartTransaction: { reservationId: null },
    StopTransaction: { transactionData: null },
};
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/** The chosen quirks, together. */
export class Quirks {
    #chosen;

    constructor(names) {
        this.names = names.filter((name) => name in QUIRKS);
        this.#chosen = this.names.map((name) => QUIRKS[name]);
    }

    has(field) {
        return this.#chosen.some((quirk) => quirk[field]);
    }

    payload(action, payload) {
        return this.#chosen.reduce((changed, quirk) => quirk.payload?.(action, changed) ?? changed, payload);
    }

    uniqueId(number) {
        return this.#chosen.find((quirk) => quirk.uniqueId)?.uniqueId(number);
    }

    after(action, data) {
        return this.#chosen.flatMap((quirk) => quirk.after?.(action, data) ?? []);
    }
}

/** The value with every leaf changed; `change` is given the leaf and the name that it stands under. */
function mapLeaves(value, change, name = "") {
    if (Array.isArray(value)) return value.map((item) => mapLeaves(item, change, name));
    if (value === null || typeof value !== "object") return change(value, name);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapLeaves(item, change, key)]));
}

function mapTimes(payload, change) {
    return mapLeaves(payload, (leaf) => (typeof leaf === "string" && TIME.test(leaf) ? change(leaf) : leaf));
}

function mapNumbers(payload, change) {
    return mapLeaves(payload, (leaf) => (typeof leaf === "number" ? change(leaf) : leaf));
}

function mapStrings(payload, change) {
    return mapLeaves(payload, (leaf) => (typeof leaf === "string" ? change(leaf) : leaf));
}

function mapKeys(payload, names, change) {
    return mapLeaves(payload, (leaf, name) => (names.includes(name) ? change(leaf) : leaf));
}

/** `2024-01-01T14:00:00+02`, as some write it. */
function shifted(time, hours) {
    return `${new Date(Date.parse(time) + hours * 3_600_000).toISOString().slice(0, 19)}+0${hours}`;
}

function asNumber(text) {
    return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text;
}
