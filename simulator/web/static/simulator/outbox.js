/* The transaction-related messages that the central system has not confirmed yet, in chronological order (OCPP 1.6
   §3.7): the first stays until it is confirmed, so that none overtakes another. */

export class Outbox {
    #kept = [];
    #isUnderWay = false;

    get size() {
        return this.#kept.length;
    }

    /** All that is kept, the first first. */
    all() {
        return [...this.#kept];
    }

    /** Keep a message until it is confirmed; its transactionId is filled in when it is sent. */
    add(action, payload, transaction) {
        this.#kept.push({ action, payload, transaction, failures: 0, notBefore: 0 });
    }

    /** The message to send now, if one is due and none is under way; next comes `confirm`, `fail` or `giveBack`. */
    take(now) {
        if (this.#isUnderWay || !this.#kept.length || this.#kept[0].notBefore > now) return null;
        this.#isUnderWay = true;
        return this.#kept[0];
    }

    confirm() {
        this.#isUnderWay = false;
        this.#kept.shift();
    }

    /** The connection ended before its answer came: it is sent again on the next one, and that is no failure. */
    giveBack() {
        this.#isUnderWay = false;
    }

    /** The central system failed to process the message under way (OCPP 1.6 §3.7.1); the message, if it is given up. */
    fail(now, { attempts, retryIntervalS }) {
        this.#isUnderWay = false;
        const kept = this.#kept[0];
        kept.failures += 1;
        if (kept.failures >= attempts) return this.#kept.shift();
        kept.notBefore = now + retryIntervalS * kept.failures;
        return null;
    }
}
