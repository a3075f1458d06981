/* The connectors of a charge point at work: plugs, transactions, power limits, time. Pure.

   It never sends: transaction-related messages go into the outbox, changes of status into `statusChanges`. */

import { Reservations } from "./reservations.js";
import { Sampler } from "./sampler.js";
import { both } from "./smart_charging.js";
import { newTransaction } from "./transaction.js";

export class Charging {
    #clock;
    #configuration;
    #profiles;
    #outbox;
    #tell;

    /** `tell(event, detail)` is told of transactions that start and stop. */
    constructor({ connectors, clock, configuration, profiles, outbox, tell }) {
        this.connectors = connectors;
        this.statusChanges = [];
        this.transactions = [];
        this.reservations = new Reservations(connectors);
        this.sampler = new Sampler(clock, configuration, outbox);
        this.#clock = clock;
        this.#configuration = configuration;
        this.#profiles = profiles;
        this.#outbox = outbox;
        this.#tell = tell;
    }

    connector(connectorId) {
        return this.connectors[connectorId - 1] ?? null;
    }

    /** The connector on which that transaction is going on, or null. */
    byTransaction(transactionId) {
        return this.connectors.find((one) => one.transaction?.transactionId === transactionId) ?? null;
    }

    // -- what drivers do

    /** Connect a car; with an authorization waiting, its transaction starts. */
    plug(connector, car, now) {
        connector.plug(car);
        if (connector.authorization !== null && connector.transaction === null) this.start(connector, now);
        this.settle(now);
    }

    /** Take the cable out at the car (OCPP 1.6 §4.10); a transaction stops, where the configuration says so. */
    unplug(connector, now) {
        if (connector.transaction !== null) {
            connector.info = "EV side disconnected";
            if (!this.#configuration.boolean("StopTransactionOnEVSideDisconnect")) {
                connector.isEvDisconnected = true;
                this.settle(now);
                connector.info = null;
                return;
            }
            this.stop(connector, "EVDisconnected", now);
            this.settle(now); // Finishing, before the cable is out at this end, too
        }
        connector.meter.advance(this.#clock.simulated(now));
        connector.unplug();
        this.settle(now);
    }

    /** A driver may charge here: start now, or when the cable is in. */
    authorize(connector, idTag, parentIdTag, now) {
        connector.authorization = { idTag, parentIdTag };
        connector.hasEnded = connector.isTimedOut = false;
        this.settle(now);
        if (connector.isPlugged) this.start(connector, now);
    }

    // -- transactions

    /** Start the transaction of the connector's authorization. */
    start(connector, now) {
        const { idTag, parentIdTag } = connector.authorization;
        const reservation = this.reservations.usedBy(connector, idTag, parentIdTag);
        connector.meter.advance(this.#clock.simulated(now));
        const transaction = newTransaction({
            connectorId: connector.connectorId,
            idTag,
            parentIdTag,
            meterStartWh: connector.meter.energyWh,
            startedAt: this.#clock.utc(now),
            reservationId: reservation?.reservationId,
        });
        if (reservation !== undefined) this.reservations.end(reservation);
        connector.authorization = null;
        connector.transaction = transaction;
        connector.isLocked = true;
        connector.info = null;
        this.transactions.push(transaction);
        this.#tell("transaction_started", transaction);
        const payload = {
            connectorId: connector.connectorId,
            idTag,
            meterStart: transaction.meterStartWh,
            timestamp: this.#clock.stamp(now),
        };
        if (transaction.reservationId !== undefined) payload.reservationId = transaction.reservationId;
        this.#outbox.add("StartTransaction", payload, transaction);
        this.sampler.begin(connector, transaction, now);
        this.settle(now);
    }

    /** Stop the connector's transaction; the cable is unlocked, but still in. */
    stop(connector, reason, now, idTag = null) {
        const transaction = connector.transaction;
        if (transaction === null) return;
        connector.meter.offer(0, this.#clock.simulated(now));
        this.sampler.end(connector, transaction, now);
        transaction.meterStopWh = connector.meter.energyWh;
        transaction.reason = reason;
        const payload = { meterStop: transaction.meterStopWh, timestamp: this.#clock.stamp(now), reason };
        if (idTag !== null) payload.idTag = idTag;
        if (transaction.data.length) payload.transactionData = transaction.data;
        this.#outbox.add("StopTransaction", payload, transaction);
        this.#tell("transaction_stopped", transaction);
        connector.transaction = null;
        connector.hasEnded = connector.isPlugged;
        connector.isLocked = false;
        this.#profiles.endTransaction(connector.connectorId);
        this.settle(now);
    }

    /** The central system did not accept the idTag of StartTransaction.req (OCPP 1.6 §4.8, errata 3.17). */
    deny(transaction, now) {
        const connector = this.connector(transaction.connectorId);
        if (connector.transaction !== transaction) return;
        if (this.#configuration.boolean("StopTransactionOnInvalidId")) {
            this.stop(connector, "DeAuthorized", now);
        } else {
            transaction.isDenied = true;
            this.settle(now);
        }
    }

    // -- time

    /** Let time pass: energy flows, samples are taken, what has run out ends. */
    tick(now) {
        this.reservations.expire(this.#clock.utc(now));
        for (const connector of this.connectors) this.#tickConnector(connector, now);
        this.sampler.sampleAligned(this.connectors, now);
        this.settle(now);
    }

    /** Bring offers and statuses in line with the facts. */
    settle(now) {
        this.#offer(now);
        for (const connector of this.connectors) this.#settleConnector(connector, now);
    }

    /** MeterValueSampleInterval has changed: count it from now. */
    planSamples(now) {
        for (const { transaction } of this.connectors) {
            if (transaction !== null) this.sampler.plan(transaction, now);
        }
    }

    /** What the charging profiles allow a connector now, in W; null without a limit. */
    limitW(connector, now) {
        const utc = this.#clock.utc(now);
        const phases = connector.meter.phases;
        const active = this.connectors.filter((one) => one.transaction !== null).length || 1;
        const together = this.#profiles.chargePointLimit(utc, phases);
        const share = { ...together, powerW: together.powerW === null ? null : together.powerW / active };
        const startedAt = connector.transaction?.startedAt ?? null;
        return both(share, this.#profiles.connectorLimit(connector.connectorId, utc, startedAt, phases)).powerW;
    }

    #settleConnector(connector, now) {
        const passed = connector.settle();
        for (const status of passed) {
            const { errorCode, info } = connector;
            this.statusChanges.push({ connector, status, errorCode, info, timestamp: this.#clock.stamp(now) });
        }
        if (!passed.length) return;
        connector.info = null;
        const timeoutS = connector.status === "Preparing" ? this.#configuration.integer("ConnectionTimeOut") : 0;
        connector.connectionDeadline = timeoutS ? this.#clock.simulated(now) + timeoutS : null;
        if (["Unavailable", "Faulted"].includes(connector.status)) this.reservations.endFor(connector);
    }

    #tickConnector(connector, now) {
        const simulated = this.#clock.simulated(now);
        if (connector.transaction !== null) {
            connector.meter.advance(simulated);
            this.sampler.sample(connector, connector.transaction, now);
        } else if (connector.connectionDeadline !== null && connector.connectionDeadline <= simulated) {
            connector.connectionDeadline = null;
            connector.authorization = null;
            // Errata 3.20: with one reader for many connectors, a cable that was left in must not start for the next
            // driver's tag.
            connector.isTimedOut = connector.isPlugged && this.connectors.length > 1;
        }
    }

    #offer(now) {
        const at = this.#clock.simulated(now);
        for (const connector of this.connectors) {
            if (connector.transaction === null) continue;
            const limitW = this.limitW(connector, now) ?? Infinity;
            const mayDeliver = this.#mayDeliver(connector, connector.transaction);
            connector.meter.offer(mayDeliver ? Math.min(connector.maxPowerW, limitW) : 0, at);
        }
    }

    #mayDeliver(connector, transaction) {
        if (connector.isEvDisconnected) return false;
        if (!transaction.isDenied) return true;
        const deliveredWh = connector.meter.energyWh - transaction.meterStartWh;
        return deliveredWh < this.#configuration.integer("MaxEnergyOnInvalidId");
    }
}
