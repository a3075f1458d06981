/* One connector: the facts about it, and the status that follows from them (OCPP 1.6 §4.9). Pure.

   The status is never set. Facts change (a plug, a tag, a transaction, a fault), then `settle` gives the statuses to
   report, one after the other, so that no step is taken which the table of §4.9 does not know. */

/** The table of OCPP 1.6 §4.9, with B6 of errata 3.20. */
export const TRANSITIONS = {
    Available: ["Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Reserved", "Unavailable", "Faulted"],
    Preparing: ["Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"],
    Charging: ["Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"],
    SuspendedEV: ["Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"],
    SuspendedEVSE: ["Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"],
    Finishing: ["Available", "Preparing", "Unavailable", "Faulted"],
    Reserved: ["Available", "Preparing", "Unavailable", "Faulted"],
    Unavailable: ["Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"],
    Faulted: [
        "Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved", "Unavailable",
    ],
};
const ENERGETIC = ["Charging", "SuspendedEV", "SuspendedEVSE"];

/** The statuses to go through, the target included; the shortest way that §4.9 allows. */
export function steps(current, target) {
    const ways = [[]];
    const seen = new Set([current]);
    while (ways.length) {
        const way = ways.shift();
        const here = way.at(-1) ?? current;
        if (here === target) return way;
        // A detour never reports a fault or energy that is not there; what ends in energy begins with Preparing.
        const detours = ENERGETIC.includes(target) ? ["Preparing", "Available"] : ["Available", "Preparing"];
        for (const status of [target, ...detours]) {
            if (TRANSITIONS[here].includes(status) && !seen.has(status)) {
                seen.add(status);
                ways.push([...way, status]);
            }
        }
    }
    throw new Error(`OCPP 1.6 §4.9 has no way from ${current} to ${target}.`);
}

/** Connector 1..n of a charge point. */
export class Connector {
    status = "Available";
    isOperative = true; // set by ChangeAvailability; persists over a reset (OCPP 1.6 §5.2)
    isOutOfUse = false; // new firmware waits or is installed (errata 3.49)
    isReserved = false;
    isEvDisconnected = false; // the cable hangs loose while the transaction goes on
    isTimedOut = false; // nobody presented a tag in time (errata 3.20)
    hasEnded = false; // a transaction has ended and the cable is still in
    isLocked = false;
    errorCode = "NoError";
    info = null;
    authorization = null; // {idTag, parentIdTag} of a driver who may charge but has not plugged in
    transaction = null;
    connectionDeadline = null; // when a Preparing ends by ConnectionTimeOut, in simulated time
    reported = null; // the status that the central system was told last

    constructor(connectorId, meter, maxPowerW) {
        this.connectorId = connectorId;
        this.meter = meter;
        this.maxPowerW = maxPowerW;
    }

    get isPlugged() {
        return this.meter.car !== null;
    }

    /** Whether a new driver can begin here. */
    get isFree() {
        return this.status === "Available" || this.status === "Reserved";
    }

    /** Whether a transaction can begin here, as soon as a driver is authorized and a car connected. */
    get isStartable() {
        return ["Available", "Preparing", "Finishing", "Reserved"].includes(this.status);
    }

    plug(car) {
        this.meter.car = car;
        this.isEvDisconnected = false;
    }

    /** Take the cable out; whoever was about to charge has gone. */
    unplug() {
        this.meter.car = null;
        this.hasEnded = this.isTimedOut = this.isEvDisconnected = this.isLocked = false;
        this.authorization = null;
    }

    /** Forget what does not survive a reset; the cable is still in. */
    restart() {
        this.authorization = null;
        this.hasEnded = this.isTimedOut = this.isOutOfUse = false;
        this.reported = null;
    }

    /** The status that the facts call for. */
    target() {
        if (this.errorCode !== "NoError" && this.errorCode !== "EVCommunicationError") return "Faulted";
        if (this.transaction !== null) return this.#targetInTransaction();
        if (!this.isOperative || this.isOutOfUse) return "Unavailable";
        if (this.authorization !== null) return "Preparing";
        if (this.isPlugged && (this.hasEnded || this.isTimedOut)) return "Finishing";
        if (this.isReserved) return "Reserved";
        return this.isPlugged ? "Preparing" : "Available";
    }

    /** Move to what the facts call for; the statuses to report, in order. */
    settle() {
        const passed = steps(this.status, this.target());
        this.status = passed.at(-1) ?? this.status;
        if (this.status === "Unavailable") this.hasEnded = this.isTimedOut = false; // H6 does not exist
        return passed;
    }

    #targetInTransaction() {
        const car = this.meter.car;
        if (this.meter.offeredW <= 0 && !this.isEvDisconnected) return "SuspendedEVSE"; // by both: §4.9
        if (car === null || this.isEvDisconnected || car.isFull || car.isPaused) return "SuspendedEV";
        return "Charging";
    }
}
