/* Charging profiles: which are installed, what they allow at a moment, and the composite schedule (OCPP 1.6 §3.13).

   A limit is `{powerW, until}`: powerW null where there is none, until (ms) null where it holds for good. Limits in
   ampere are per phase, at the set voltage of the area (§7.12). */

import { LINE_VOLTAGE_V } from "./meter.js";

const ASSUMED_PHASES = 3; // OCPP 1.6 §7.14: unless another number is given
const MOST_COMPOSITE_PERIODS = 200;
const RECURRENCE_MS = { Daily: 86_400_000, Weekly: 7 * 86_400_000 };
const NO_LIMIT = { powerW: null, until: null };

function least(...values) {
    const given = values.filter((value) => value !== null);
    return given.length ? Math.min(...given) : null;
}

/** Both at once: the smaller one (OCPP 1.6 §3.13.3). */
export function both(one, other) {
    return { powerW: least(one.powerW, other.powerW), until: least(one.until, other.until) };
}

/** What SetChargingProfile.req has installed; it persists over a reset (errata 3.37). */
export class ChargingProfiles {
    #limits;
    installed = []; // {connectorId, profile, installedAt}

    constructor({ maxStackLevel, maxPeriods, maxInstalled }) {
        this.#limits = { maxStackLevel, maxPeriods, maxInstalled };
    }

    /** Install a profile, in place of one with its id, or with its purpose, stack level and connector (§5.16). */
    set(connectorId, profile, utcMs) {
        if (!this.#isPossible(connectorId, profile)) return "Rejected";
        const others = this.installed.filter((other) => !isReplaced(other, connectorId, profile));
        if (others.length >= this.#limits.maxInstalled) return "Rejected";
        this.installed = [...others, { connectorId, profile, installedAt: utcMs }];
        return "Accepted";
    }

    /** Remove what the request describes; whether there was any (errata 3.25 and 3.26). */
    clear(request) {
        const left = this.installed.filter((one) => !isMeant(one, request));
        const found = left.length < this.installed.length;
        this.installed = left;
        return found;
    }

    /** Delete the TxProfiles of a connector whose transaction has stopped (OCPP 1.6 §3.13.1). */
    endTransaction(connectorId) {
        this.installed = this.installed.filter(
            (one) => one.connectorId !== connectorId || one.profile.chargingProfilePurpose !== "TxProfile",
        );
    }

    /** What the ChargePointMaxProfile allows all connectors together. */
    chargePointLimit(utcMs, phases) {
        return this.#limit("ChargePointMaxProfile", [0], utcMs, null, phases);
    }

    /** What the TxProfile, or in its absence the TxDefaultProfile, allows a connector. */
    connectorLimit(connectorId, utcMs, startedAt, phases) {
        const own = this.#limit("TxProfile", [connectorId], utcMs, startedAt, phases);
        if (own.powerW !== null) return own;
        const standard = this.#limit("TxDefaultProfile", [0, connectorId], utcMs, startedAt, phases);
        return { powerW: standard.powerW, until: least(own.until, standard.until) };
    }

    /** The limits from `utcMs` on (OCPP 1.6 §5.7); connector 0 asks for the whole charge point. */
    compositeSchedule(connectorId, utcMs, durationS, unit, { phases, maxPowerW, startedAt }) {
        const periods = [];
        const end = utcMs + durationS * 1000;
        for (let at = utcMs; at < end && periods.length < MOST_COMPOSITE_PERIODS; ) {
            let limit = this.chargePointLimit(at, phases);
            if (connectorId) limit = both(limit, this.connectorLimit(connectorId, at, startedAt, phases));
            const powerW = least(maxPowerW, limit.powerW);
            const inUnit = unit === "W" ? powerW : powerW / (LINE_VOLTAGE_V * phases);
            const rounded = Math.round(inUnit * 10) / 10;
            if (periods.at(-1)?.limit !== rounded) {
                const startPeriod = Math.trunc((at - utcMs) / 1000);
                periods.push({ startPeriod, limit: rounded, numberPhases: phases });
            }
            if (limit.until === null) break;
            at = limit.until;
        }
        return { duration: durationS, chargingRateUnit: unit, chargingSchedulePeriod: periods };
    }

    #isPossible(connectorId, profile) {
        const schedule = profile.chargingSchedule;
        const starts = schedule.chargingSchedulePeriod.map((period) => period.startPeriod);
        const isRecurring = profile.chargingProfileKind === "Recurring";
        const isRising = starts.every((start, index) => index === 0 || start > starts[index - 1]);
        return (
            profile.stackLevel <= this.#limits.maxStackLevel &&
            starts.length <= this.#limits.maxPeriods &&
            starts[0] === 0 && // errata 3.45
            isRising &&
            !(isRecurring && (profile.recurrencyKind === undefined || schedule.startSchedule === undefined)) &&
            !(profile.chargingProfilePurpose === "ChargePointMaxProfile" && connectorId !== 0) && // §3.13.1
            !(profile.chargingProfilePurpose === "TxProfile" && connectorId === 0)
        );
    }

    /** The limit of the highest valid profile; `until` also covers those above it that are not valid yet. */
    #limit(purpose, connectorIds, utcMs, startedAt, phases) {
        const candidates = this.installed
            .filter((one) => one.profile.chargingProfilePurpose === purpose && connectorIds.includes(one.connectorId))
            .sort((one, other) =>
                other.profile.stackLevel - one.profile.stackLevel || other.connectorId - one.connectorId);
        let until = null;
        for (const installed of candidates) {
            const limit = limitOf(installed, utcMs, startedAt, phases);
            until = least(until, limit.until);
            if (limit.powerW !== null) return { powerW: limit.powerW, until };
        }
        return { powerW: null, until };
    }
}

function isReplaced(other, connectorId, profile) {
    if (other.profile.chargingProfileId === profile.chargingProfileId) return true;
    return (
        other.connectorId === connectorId &&
        other.profile.chargingProfilePurpose === profile.chargingProfilePurpose &&
        other.profile.stackLevel === profile.stackLevel
    );
}

function isMeant({ connectorId, profile }, request) {
    if (request.id !== undefined) return profile.chargingProfileId === request.id; // errata 3.26: all else is ignored
    return (
        [undefined, connectorId].includes(request.connectorId) &&
        [undefined, profile.chargingProfilePurpose].includes(request.chargingProfilePurpose) &&
        [undefined, profile.stackLevel].includes(request.stackLevel)
    );
}

function limitOf({ profile, installedAt }, utcMs, startedAt, phases) {
    const validFrom = profile.validFrom === undefined ? null : Date.parse(profile.validFrom);
    const validTo = profile.validTo === undefined ? null : Date.parse(profile.validTo);
    if (validFrom !== null && utcMs < validFrom) return { powerW: null, until: validFrom };
    if (validTo !== null && utcMs >= validTo) return NO_LIMIT;
    return both(limitOfSchedule(profile, startedAt ?? installedAt, utcMs, phases), { powerW: null, until: validTo });
}

function limitOfSchedule(profile, chargingSince, utcMs, phases) {
    const schedule = profile.chargingSchedule;
    const isRelative = profile.chargingProfileKind === "Relative" || schedule.startSchedule === undefined;
    let start = isRelative ? chargingSince : Date.parse(schedule.startSchedule);
    if (utcMs < start) return { powerW: null, until: start };
    let ends = schedule.duration === undefined ? Infinity : schedule.duration;
    let restarts = null;
    if (profile.chargingProfileKind === "Recurring") {
        const recurrenceMs = RECURRENCE_MS[profile.recurrencyKind];
        start += Math.floor((utcMs - start) / recurrenceMs) * recurrenceMs;
        restarts = start + recurrenceMs;
        ends = Math.min(ends, recurrenceMs / 1000); // OCPP 1.6 §5.16.4: what is longer is not executed
    }
    const elapsedS = (utcMs - start) / 1000;
    if (elapsedS >= ends) return { powerW: null, until: restarts };
    const periods = schedule.chargingSchedulePeriod;
    const next = periods.find((period) => period.startPeriod > elapsedS);
    const current = periods.findLast((period) => period.startPeriod <= elapsedS) ?? periods[0];
    ends = Math.min(ends, next?.startPeriod ?? Infinity);
    return {
        powerW: inWatts(current, schedule.chargingRateUnit, phases),
        until: ends === Infinity ? null : start + ends * 1000,
    };
}

function inWatts(period, unit, phases) {
    if (unit === "W") return period.limit;
    // Errata 3.34: with more phases than there are, the limit is used as it is for those there are.
    return period.limit * LINE_VOLTAGE_V * Math.min(period.numberPhases ?? ASSUMED_PHASES, phases);
}
