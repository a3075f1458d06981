/* A charge point: what it sends when something happens to it, what it is made of, and how time passes for it. Pure.

   `now` is any clock that never runs backwards, in seconds. After each method that takes `now`, write what `dataToSend`
   gives; call `tick` a few times in a second. What it makes of answers is in `answers.js`, what it does when it is
   called in `commands/`, the websocket in `client.js`. */

import * as answers from "./answers.js";
import { Certificates } from "./certificates.js";
import { Charging } from "./charging.js";
import { Clock } from "./clock.js";
import * as commands from "./commands/index.js";
import { Configuration } from "./configuration.js";
import { Connector } from "./connector.js";
import { Link } from "./link.js";
import { Maintenance } from "./maintenance.js";
import { Meter } from "./meter.js";
import { Outbox } from "./outbox.js";
import { Quirks } from "./quirks.js";
import { Reader } from "./reader.js";
import { Registration } from "./registration.js";
import { ChargingProfiles } from "./smart_charging.js";
import { UNKNOWN_TRANSACTION_ID } from "./transaction.js";

const DAY_S = 86_400;
const SOFT_RESET_PATIENCE_S = 20; // how long a soft reset waits for what is left to be delivered

export class ChargePoint {
    #link;
    #happenings = [];
    #resetAt = null;
    #isPowerless = false; // a hard reset: what it still has to say it says after the boot (errata 3.36)
    #reportedStatus = null;
    #clockSetAt;

    /** `schemas` are those of the requests; `log` is told of frames and of what happens. */
    constructor(specification, { now, utcMs, newUniqueId, schemas, log }) {
        const { identity, connectors, phases, maxPowerW, sampleIntervalS, firmwareVersion, quirks } = specification;
        this.specification = specification;
        this.schemas = schemas;
        this.quirks = new Quirks(quirks);
        this.clock = new Clock(now, utcMs, specification.speed);
        this.log = (entry) => log({ at: this.clock.utc(this.#now), ...entry });
        this.configuration = new Configuration({ connectors, phases, sampleIntervalS });
        this.profiles = new ChargingProfiles({
            maxStackLevel: this.configuration.integer("ChargeProfileMaxStackLevel"),
            maxPeriods: this.configuration.integer("ChargingScheduleMaxPeriods"),
            maxInstalled: this.configuration.integer("MaxChargingProfilesInstalled"),
        });
        this.certificates = new Certificates(this.configuration.integer("CertificateStoreMaxLength"));
        this.outbox = new Outbox();
        this.charging = new Charging({
            connectors: buildConnectors(connectors, phases, maxPowerW),
            clock: this.clock,
            configuration: this.configuration,
            profiles: this.profiles,
            outbox: this.outbox,
            tell: (event, transaction) => this.log({ event, transaction: { ...transaction } }),
        });
        this.reader = new Reader(this.charging, this.clock, this.configuration);
        this.maintenance = new Maintenance(this.clock, identity, firmwareVersion);
        this.registration = new Registration();
        if (this.quirks.has("neverBoots")) this.registration.answered({ status: "Accepted" }, now);
        this.executed = []; // the commands of the central system, and what became of them
        this.isOperative = true;
        this.mustReconnect = false; // close the connection and connect again: the credentials have changed
        this.certificateWanted = false; // ask for a certificate: the client makes the key
        this.#clockSetAt = now;
        this.#now = now;
        this.#link = new Link({ quirks: this.quirks, newUniqueId, log: this.log });
    }

    #now;

    // -- the connection

    get isConnected() {
        return this.#link.isOpen;
    }

    /** Whether the central system can be asked: connected and accepted. */
    get isOnline() {
        return this.#link.isOpen && this.registration.isAccepted;
    }

    /** Whether nothing is left to send or to be answered. */
    get isIdle() {
        return this.#link.isIdle && this.outbox.size === 0 && this.maintenance.reports.length === 0;
    }

    get connectors() {
        return this.charging.connectors;
    }

    /** The status of connector 0. */
    get status() {
        return this.isOperative ? "Available" : "Unavailable";
    }

    /** The websocket stands: boot, or after a lost connection go on where it was lost (OCPP-J 1.6 §5.4). */
    connected(now, detail) {
        this.#now = now;
        this.#link.open();
        this.log({ event: "connected", detail });
        if (this.quirks.has("bootsAlways")) this.registration.restart(now);
        if (this.registration.isAccepted) {
            for (const connector of this.connectors) { // OCPP 1.6 §4.9: what has changed meanwhile
                if (connector.reported !== connector.status) this.reportStatus(connector, now);
            }
        }
        this.tick(now);
    }

    /** The websocket is gone: what was not answered is sent again later, decided here, or dropped. */
    disconnected(now, detail) {
        this.#now = now;
        const left = this.#link.close();
        this.log({ event: "disconnected", detail });
        for (const request of left) answers.unanswered(this, request, now);
        this.#flush(now);
    }

    receive(text, now) {
        this.#work(this.#link.receive(text, now), now);
    }

    tick(now) {
        this.#work(this.#link.tick(now), now);
    }

    /** Write anything at all. */
    sendRaw(text, now) {
        this.#now = now;
        if (this.#link.isOpen) this.#link.sendRaw(text);
    }

    dataToSend() {
        return this.#link.dataToSend();
    }

    // -- resets

    get isResetting() {
        return this.#resetAt !== null;
    }

    /** Stop all transactions, then restart (OCPP 1.6 §5.14); `isResetDue` says when to close the connection. */
    beginReset(reason, now, isHard) {
        for (const connector of this.connectors) this.charging.stop(connector, reason, now);
        this.#resetAt = isHard ? now : now + SOFT_RESET_PATIENCE_S;
        this.#isPowerless = isHard;
    }

    /** Whether to close the connection now; then call `restart` and connect again. */
    isResetDue(now) {
        return this.#resetAt !== null && (now >= this.#resetAt || this.isIdle || !this.#link.isOpen);
    }

    /** Come up again: what is persistent is kept, what waited for a reboot is in force. */
    restart(now) {
        this.#resetAt = null;
        this.#isPowerless = false;
        this.configuration.reboot();
        if (!this.quirks.has("neverBoots")) this.registration.restart(now);
        this.#reportedStatus = null;
        for (const connector of this.connectors) connector.restart();
        this.maintenance.restarted();
        this.charging.settle(now);
    }

    // -- what drivers do

    plugIn(connector, car, now) {
        this.charging.plug(connector, car, now);
        this.#flush(now);
    }

    unplug(connector, now) {
        this.charging.unplug(connector, now);
        this.#flush(now);
    }

    presentTag(idTag, connector, now) {
        this.reader.present(idTag, connector, now, this.isOnline);
        this.#flush(now);
    }

    /** Stop the transaction with a button at the charge point. */
    stop(connector, now) {
        this.charging.stop(connector, "Local", now);
        this.#flush(now);
    }

    /** The car stops or resumes asking for energy (SuspendedEV). */
    pause(connector, isPaused, now) {
        this.tick(now); // what flowed until now has flowed
        connector.meter.car.isPaused = isPaused;
        this.charging.settle(now);
        this.#flush(now);
    }

    /** What the car takes at most from now on. */
    setCarPower(connector, maxPowerW, now) {
        this.tick(now);
        if (connector.meter.car !== null) connector.meter.car.maxPowerW = maxPowerW;
        this.charging.settle(now);
    }

    /** A fault is detected, or with NoError resolved; a transaction cannot go on in the Faulted state. */
    fault(connector, errorCode, now) {
        connector.errorCode = errorCode;
        if (connector.target() === "Faulted") this.charging.stop(connector, "Other", now);
        this.charging.settle(now);
        this.#flush(now);
    }

    setSpeed(speed, now) {
        this.tick(now);
        this.clock.setSpeed(speed, now);
    }

    // -- for commands and answers

    /** Send a request that is not kept; false where it may not be sent (OCPP 1.6 §4.2). */
    request(action, payload, now, { context = null, isTriggered = false } = {}) {
        if (!this.#link.isOpen || !(this.registration.isAccepted || isTriggered)) return false;
        const timeoutS = this.configuration.integer("MessageTimeout");
        this.#happenings.push(...this.#link.send(action, payload, now, { timeoutS, context }));
        return true;
    }

    boot(now) {
        this.registration.bootDue = null;
        const { identity, vendor, model } = this.specification;
        const payload = {
            chargePointVendor: vendor.slice(0, 20),
            chargePointModel: model.slice(0, 20),
            chargePointSerialNumber: identity.slice(0, 25),
            firmwareVersion: this.maintenance.firmwareVersion.slice(0, 50),
            meterType: "Simulated meter",
            meterSerialNumber: `M-${identity}`.slice(0, 25),
        };
        this.request("BootNotification", payload, now, { isTriggered: true });
    }

    /** Send the present status of a connector, or of the charge point itself (null). */
    reportStatus(connector, now, isTriggered = false) {
        const status = connector === null ? this.status : connector.status;
        const errorCode = connector === null ? "NoError" : connector.errorCode;
        const change = { connector, status, errorCode, info: connector?.info ?? null, timestamp: this.clock.stamp(now) };
        this.#report(change, now, isTriggered);
    }

    /** The central system contradicts the local authorization list (OCPP 1.6 §3.5.2). */
    reportLocalListConflict(now) {
        const timestamp = this.clock.stamp(now);
        this.#report({ connector: null, status: this.status, errorCode: "LocalListConflict", info: null, timestamp }, now);
    }

    /** A StatusNotification was lost: report that status again. */
    forgetReported(connectorId) {
        const connector = this.charging.connector(connectorId);
        if (connector === null) this.#reportedStatus = null;
        else connector.reported = null;
    }

    setClock(utcMs, now) {
        this.clock.setUtc(utcMs, now);
        this.#clockSetAt = now;
    }

    /** Act on a key that has a new value. */
    configurationChanged(name, now) {
        const key = name.toLowerCase();
        if (key === "metervaluesampleinterval") this.charging.planSamples(now);
        else if (key === "authorizationkey" || key === "securityprofile") this.mustReconnect = true;
    }

    // -- inside

    #work(happenings, now) {
        this.#now = now;
        this.#happenings.push(...happenings);
        while (this.#happenings.length) this.#handle(this.#happenings.shift(), now);
        this.#maintain(now);
        this.charging.tick(now);
        if (this.#link.isOpen) this.#sendWhatIsDue(now);
        this.#flush(now);
    }

    #handle(happening, now) {
        if (happening.kind === "answered") answers.answered(this, happening, now);
        else if (happening.kind === "failed") answers.failed(this, happening, now);
        else commands.execute(this, this.#link, happening, now);
    }

    #maintain(now) {
        this.maintenance.tick(now, this.connectors.some((connector) => connector.transaction !== null));
        for (const connector of this.connectors) connector.isOutOfUse = this.maintenance.wantsToInstall;
        if (this.maintenance.needsRestart && !this.isResetting) this.beginReset("Reboot", now, false);
    }

    #sendWhatIsDue(now) {
        const bootDue = this.registration.bootDue;
        if (bootDue !== null && bootDue <= now) this.boot(now);
        else if (this.#heartbeatDue() <= now && this.#link.isIdle) this.request("Heartbeat", {}, now);
    }

    #heartbeatDue() {
        const intervalS = this.configuration.integer("HeartbeatInterval");
        if (!this.registration.isAccepted || !intervalS) return Infinity;
        // OCPP 1.6 §9.1.10: after inactivity; §4.6: for the clock's sake at least once a day.
        return Math.min(this.#link.lastSentAt + intervalS, this.#clockSetAt + DAY_S);
    }

    /** Send what has come up: the first kept message, changes of status, questions, reports. */
    #flush(now) {
        this.#now = now;
        const changes = this.charging.statusChanges.splice(0);
        const questions = this.reader.questions.splice(0);
        if (!this.isOnline || this.#isPowerless) return; // §4.9: what changed is reported on return, its history is not
        const kept = this.outbox.take(now);
        if (kept !== null) this.#sendKept(kept, now);
        for (const change of changes) this.#report(change, now);
        if (this.#reportedStatus !== this.status) this.reportStatus(null, now);
        for (const presentation of questions) {
            this.request("Authorize", { idTag: presentation.idTag }, now, { context: { kind: "presented", presentation } });
        }
        for (const { action, payload } of this.maintenance.reports.splice(0)) this.request(action, payload, now);
    }

    /** A kept message, with the transaction id that is known now. */
    #sendKept(kept, now) {
        let payload = kept.payload;
        if (kept.transaction !== null && kept.action !== "StartTransaction") {
            payload = { ...payload, transactionId: kept.transaction.transactionId ?? UNKNOWN_TRANSACTION_ID };
        }
        this.request(kept.action, payload, now, { context: { kind: "kept", kept } });
        if (kept.action === "StopTransaction" && this.quirks.has("stopsTwice")) this.request(kept.action, payload, now);
    }

    #report({ connector, status, errorCode, info, timestamp }, now, isTriggered = false) {
        const payload = { connectorId: connector?.connectorId ?? 0, errorCode, status, timestamp };
        if (info !== null) payload.info = info;
        if (!this.request("StatusNotification", payload, now, { isTriggered })) return;
        if (connector === null) this.#reportedStatus = status;
        else connector.reported = status;
    }
}

function buildConnectors(count, phases, maxPowerW) {
    return Array.from({ length: count }, (_, index) => {
        const energyWh = 20_000 + Math.floor(Math.random() * 880_000);
        return new Connector(index + 1, new Meter({ phases, energyWh, variation: Math.random() * 6 }), maxPowerW);
    });
}
