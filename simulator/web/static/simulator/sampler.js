/* When meters are read, and where the readings go: MeterValues.req, transactionData, or both (OCPP 1.6 §3.16). */

import { meterValue } from "./sampling.js";

const DAY_MS = 86_400_000;

export class Sampler {
    #clock;
    #configuration;
    #outbox;
    #alignedDue = null;

    constructor(clock, configuration, outbox) {
        this.#clock = clock;
        this.#configuration = configuration;
        this.#outbox = outbox;
    }

    /** The values that a configuration key asks for, as the meter shows them now. */
    read(connector, context, key, now) {
        return this.#read(connector, context, this.#configuration.items(key), now);
    }

    begin(connector, transaction, now) {
        this.#keepBoundary(connector, transaction, "Transaction.Begin", now);
        this.plan(transaction, now);
    }

    end(connector, transaction, now) {
        this.#keepBoundary(connector, transaction, "Transaction.End", now);
    }

    /** Count MeterValueSampleInterval from now. */
    plan(transaction, now) {
        const intervalS = this.#configuration.integer("MeterValueSampleInterval");
        transaction.sampleDue = intervalS ? this.#clock.simulated(now) + intervalS : null;
    }

    /** Take a periodic sample, if it is due. */
    sample(connector, transaction, now) {
        if (transaction.sampleDue === null || transaction.sampleDue > this.#clock.simulated(now)) return;
        this.plan(transaction, now); // after a long pause samples are not made up for
        this.#take(connector, transaction, "Sample.Periodic", "Sampled", now);
    }

    /** Take the clock-aligned samples, if they are due: at every full ClockAlignedDataInterval of the day. */
    sampleAligned(connectors, now) {
        const intervalMs = this.#configuration.integer("ClockAlignedDataInterval") * 1000;
        const utc = this.#clock.utc(now);
        if (!intervalMs) {
            this.#alignedDue = null;
            return;
        }
        const midnight = Math.floor(utc / DAY_MS) * DAY_MS;
        this.#alignedDue ??= Math.min(
            midnight + (Math.floor((utc - midnight) / intervalMs) + 1) * intervalMs, midnight + DAY_MS,
        );
        if (utc < this.#alignedDue) return;
        this.#alignedDue = null;
        for (const connector of connectors) {
            this.#take(connector, connector.transaction, "Sample.Clock", "Aligned", now);
        }
    }

    #take(connector, transaction, context, kind, now) {
        const value = this.read(connector, context, `MeterValues${kind}Data`, now);
        if (value !== null) {
            const payload = { connectorId: connector.connectorId, meterValue: [value] };
            this.#outbox.add("MeterValues", payload, transaction);
        }
        if (transaction === null) return;
        const kept = this.read(connector, context, `StopTxn${kind}Data`, now);
        if (kept !== null) this.#keep(transaction, kept);
    }

    /** Beyond StopTransactionMaxMeterValues every other value is dropped, but never the first (errata 3.89). */
    #keep(transaction, value) {
        transaction.data.push(value);
        if (transaction.data.length >= this.#configuration.integer("StopTransactionMaxMeterValues")) {
            transaction.data = transaction.data.filter((_, index) => index % 2 === 0);
        }
    }

    /** Errata 3.14: begin and end of every measurand that StopTransaction.req is configured to report. */
    #keepBoundary(connector, transaction, context, now) {
        const keys = ["StopTxnSampledData", "StopTxnAlignedData"];
        const items = [...new Set(keys.flatMap((key) => this.#configuration.items(key)))];
        const value = this.#read(connector, context, items, now);
        if (value !== null) transaction.data.push(value);
    }

    #read(connector, context, items, now) {
        const reading = connector.meter.read(this.#clock.simulated(now));
        return meterValue(reading, items, context, this.#clock.stamp(now));
    }
}
