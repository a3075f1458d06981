/* The Reservation profile's commands (OCPP 1.6 §5.1, §5.13). */

import { gettext, interpolate } from "../words.js";

/** Give a reservation up (§5.1). */
function cancelReservation({ charging }, { reservationId }, now) {
    const reservation = charging.reservations.get(reservationId);
    if (reservation === undefined) return { response: { status: "Rejected" } };
    return { response: { status: "Accepted" }, after: () => {
        charging.reservations.end(reservation);
        charging.settle(now);
    } };
}

/** Keep a connector, or any one of them (connector 0), for a tag (§5.13). */
function reserveNow(chargePoint, request, now) {
    const status = outcome(chargePoint, request, now);
    if (status !== "Accepted") return { response: { status } };
    const { reservationId, connectorId, idTag, parentIdTag, expiryDate } = request;
    const note = interpolate(gettext("Connector %s is kept for %s until %s."), [connectorId, idTag, expiryDate]);
    return { response: { status }, note, after: () => {
        chargePoint.charging.reservations.add({ reservationId, connectorId, idTag, parentIdTag, expiryDate });
        chargePoint.charging.settle(now);
    } };
}

function outcome({ charging, connectors, clock }, { reservationId, connectorId, expiryDate }, now) {
    if (Date.parse(expiryDate) <= clock.utc(now) || connectorId > connectors.length) return "Rejected";
    const others = charging.reservations.all().filter((one) => one.reservationId !== reservationId);
    const candidates = connectorId ? [connectors[connectorId - 1]] : connectors;
    const taken = new Set(others.map((one) => one.connectorId));
    const isFree = (one) => one.isFree && !taken.has(one.connectorId) && !one.isPlugged;
    const keptFree = others.filter((one) => one.connectorId === 0).length;
    if (candidates.some(isFree) && connectors.filter(isFree).length > keptFree) return "Accepted";
    const statuses = candidates.map((one) => one.status);
    if (statuses.every((status) => status === "Faulted")) return "Faulted";
    if (statuses.every((status) => ["Unavailable", "Faulted"].includes(status))) return "Unavailable";
    return "Occupied";
}

export const HANDLERS = { CancelReservation: cancelReservation, ReserveNow: reserveNow };
