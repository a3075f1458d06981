/* The reservations of a charge point (OCPP 1.6 §3.11, §5.13): which connectors are kept, for whom, until when. */

import { isSame } from "./authorization.js";

/** Whether this driver may use a reservation. */
function isFor(reservation, idTag, parentIdTag) {
    if (isSame(idTag, reservation.idTag)) return true;
    return Boolean(parentIdTag) && isSame(reservation.parentIdTag, parentIdTag);
}

/** The reservations in force; after a change the connectors' statuses are to be settled. */
export class Reservations {
    #byId = new Map();
    #connectors;

    constructor(connectors) {
        this.#connectors = connectors;
    }

    all() {
        return [...this.#byId.values()];
    }

    get(reservationId) {
        return this.#byId.get(reservationId);
    }

    /** Keep a connector (0: any) free for somebody; a reservation with the same id is replaced. */
    add(reservation) {
        const replaced = this.get(reservation.reservationId);
        if (replaced !== undefined) this.end(replaced);
        this.#byId.set(reservation.reservationId, reservation);
        this.#mark(reservation.connectorId);
    }

    /** It was used, cancelled, has expired, or its connector is out of use. */
    end(reservation) {
        this.#byId.delete(reservation.reservationId);
        this.#mark(reservation.connectorId);
    }

    expire(utcMs) {
        for (const reservation of this.all()) {
            if (Date.parse(reservation.expiryDate) <= utcMs) this.end(reservation);
        }
    }

    /** The connector has become Faulted or Unavailable. */
    endFor(connector) {
        for (const reservation of this.all()) {
            if (reservation.connectorId === connector.connectorId) this.end(reservation);
        }
    }

    /** Whether no reservation for somebody else is in the way; one for connector 0 keeps one connector free. */
    mayUse(connector, idTag, parentIdTag) {
        const others = this.all().filter((reservation) => !isFor(reservation, idTag, parentIdTag));
        if (others.some((reservation) => reservation.connectorId === connector.connectorId)) return false;
        const keptFree = others.filter((reservation) => reservation.connectorId === 0).length;
        const free = this.#connectors.filter((one) => one !== connector && one.isFree && !one.isReserved).length;
        return keptFree <= free;
    }

    /** The reservation that a driver uses up by starting here; one for this very connector goes first. */
    usedBy(connector, idTag, parentIdTag) {
        return this.all()
            .filter((one) => [0, connector.connectorId].includes(one.connectorId) && isFor(one, idTag, parentIdTag))
            .sort((one, other) => other.connectorId - one.connectorId)[0];
    }

    #mark(connectorId) {
        for (const connector of this.#connectors) {
            if (connector.connectorId === connectorId) {
                connector.isReserved = this.all().some((one) => one.connectorId === connectorId);
            }
        }
    }
}
