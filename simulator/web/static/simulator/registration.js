/* Whether the central system has accepted the charge point, and when to ask again (OCPP 1.6 §4.2). */

const OWN_INTERVAL_S = 15; // where the central system names no interval, or fails to answer

export class Registration {
    status = null;
    bootDue = 0; // when BootNotification is sent; null while none is due or one is under way

    get isAccepted() {
        return this.status === "Accepted";
    }

    get isRejected() {
        return this.status === "Rejected";
    }

    /** Boot: the central system has to be asked again. */
    restart(now) {
        this.status = null;
        this.bootDue = now;
    }

    /** Take the central system's word; the interval of an Accepted is the heartbeat's, else the wait until the next. */
    answered(response, now) {
        this.status = response.status;
        this.bootDue = this.isAccepted ? null : now + (response.interval || OWN_INTERVAL_S);
    }

    /** No BootNotification.conf came. */
    failed(now) {
        this.status = null;
        this.bootDue = now + OWN_INTERVAL_S;
    }
}
