/* The Smart Charging profile's commands (OCPP 1.6 §5.5, §5.7, §5.16). */

import { MessageError } from "../frames.js";
import { gettext, interpolate } from "../words.js";

/** Remove profiles (§5.5); what they limited is free again. */
function clearChargingProfile({ profiles, charging }, request, now) {
    const before = profiles.installed.length;
    const status = profiles.clear(request) ? "Accepted" : "Unknown";
    const note = interpolate(gettext("%s profiles removed."), [before - profiles.installed.length]);
    return { response: { status }, note, after: () => charging.settle(now) };
}

/** What the profiles together allow from now on (§5.7). */
function getCompositeSchedule(chargePoint, { connectorId, duration, chargingRateUnit = "A" }, now) {
    const { connectors, charging, clock, profiles, specification } = chargePoint;
    if (connectorId > connectors.length) return { response: { status: "Rejected" } };
    const connector = charging.connector(connectorId);
    const addressed = connector === null ? connectors : [connector];
    const chargingSchedule = profiles.compositeSchedule(connectorId, clock.utc(now), duration, chargingRateUnit, {
        phases: specification.phases,
        maxPowerW: addressed.reduce((sum, one) => sum + one.maxPowerW, 0),
        startedAt: connector?.transaction?.startedAt ?? null,
    });
    return { response: { status: "Accepted", connectorId, scheduleStart: clock.stamp(now), chargingSchedule } };
}

/** Install a profile (§5.16); it holds at once. */
function setChargingProfile({ connectors, charging, profiles, clock }, { connectorId, csChargingProfiles: profile }, now) {
    if (connectorId > connectors.length) { // errata 3.39
        throw new MessageError("PropertyConstraintViolation", `connectorId: there is no connector ${connectorId}.`);
    }
    if (profile.chargingProfilePurpose === "TxProfile") {
        const transaction = charging.connector(connectorId)?.transaction ?? null;
        if (transaction === null || ![undefined, transaction.transactionId].includes(profile.transactionId)) {
            return { response: { status: "Rejected" }, note: gettext("There is no such transaction.") }; // §3.13.1
        }
    }
    const status = profiles.set(connectorId, profile, clock.utc(now));
    const { chargingSchedulePeriod: periods, chargingRateUnit } = profile.chargingSchedule;
    const limits = periods.map((period) => `${period.limit} ${chargingRateUnit}`).join(", ");
    const note = `${profile.chargingProfilePurpose} ${profile.chargingProfileId}: ${limits}`;
    return { response: { status }, note, after: () => charging.settle(now) };
}

export const HANDLERS = {
    ClearChargingProfile: clearChargingProfile,
    GetCompositeSchedule: getCompositeSchedule,
    SetChargingProfile: setChargingProfile,
};
