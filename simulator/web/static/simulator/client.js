/* The websocket of a simulated charge point, and the files that it moves; everything else is in `charge_point.js`.

   Connects again by itself with a back-off of at most 15 s; what was kept while it was offline is delivered then. */

import { isGenuine, requestCertificate } from "./certificate_request.js";
import { read } from "./certificates.js";
import { ChargePoint } from "./charge_point.js";
import { fromPem } from "./der.js";
import { restore, save } from "./memory.js";
import { download, upload } from "./transfer.js";
import { gettext, interpolate } from "./words.js";

const SUBPROTOCOL = "ocpp1.6";
const CREDENTIALS = "ocpp.basic."; // see docs/simulator.md: a browser cannot set the Authorization header
const LONGEST_BACK_OFF_S = 15;
const BOOT_TIME_S = 3; // simulated
const STABLE_AFTER_S = 10; // a connection that lasted less does not reset the back-off
const MOST_LOGGED = 500;
const GOING_AWAY = 4001; // a page may close with codes of its own only

const now = () => performance.now() / 1000;

export class SimulatedChargePoint {
    #websocket = null;
    #failures = 0;
    #connectAt = 0; // when to try next; null while there is a connection or it is switched off
    #connectedAt = 0;
    #closing = false;
    hasNetwork = true;
    isOn = true;
    logged = []; // the newest last
    loggedCount = 0;
    latest = null; // the last entry that says something to a person

    /** `memory` is what `powerOff` gave. */
    constructor(specification, schemas, memory = null) {
        this.specification = specification;
        this.chargePoint = new ChargePoint(specification, {
            now: now(),
            utcMs: Date.now(),
            newUniqueId,
            schemas,
            log: (entry) => this.#log(entry),
        });
        if (memory !== null) restore(this.chargePoint, memory, now());
    }

    get isConnected() {
        return this.chargePoint.isConnected;
    }

    get url() {
        const { endpoint, identity } = this.specification;
        const slash = this.chargePoint.quirks.has("trailingSlash") ? "/" : "";
        return `${endpoint.replace(/\/+$/, "")}/${encodeURIComponent(identity)}${slash}`;
    }

    /** Do something to the charge point, as a driver would: `act(chargePoint, now)`. */
    do(act) {
        act(this.chargePoint, now());
        this.tick();
    }

    /** Let time pass; call it a few times in a second. */
    tick() {
        const at = now();
        this.chargePoint.tick(at);
        this.#afterStep();
        if (this.isOn && this.hasNetwork && this.#websocket === null && this.#connectAt !== null && at >= this.#connectAt) {
            this.#connect();
        }
    }

    /** Lose the network: nothing more is heard or said. A browser cannot cut the wire, so the gateway sees a close. */
    loseNetwork() {
        this.hasNetwork = false;
        this.#drop(gettext("the network is gone"));
    }

    restoreNetwork() {
        this.hasNetwork = true;
        this.#failures = 0;
        this.#connectAt = now();
        this.tick();
    }

    /** The page goes: what the charge point remembers without power. */
    powerOff() {
        this.isOn = false;
        return save(this.chargePoint, now());
    }

    /** Switch it off for good. */
    close() {
        this.isOn = false;
        this.#drop(gettext("switched off"));
    }

    /** Write what somebody has typed; false while there is no connection. */
    sendRaw(text) {
        if (!this.isConnected) return false;
        this.chargePoint.sendRaw(text, now());
        this.#afterStep();
        return true;
    }

    // -- the websocket

    #connect() {
        this.#connectAt = null;
        if (this.chargePoint.isResetting) this.chargePoint.restart(now());
        let websocket;
        try {
            websocket = new WebSocket(this.url, this.#subprotocols());
        } catch (error) { // not a websocket's address, or ws:// on a page that came over https
            this.#log({ at: Date.now(), event: "connection_failed", detail: error.message });
            this.#tryLater();
            return;
        }
        this.#websocket = websocket;
        const isCurrent = () => this.#websocket === websocket;
        websocket.binaryType = "arraybuffer";
        websocket.onopen = () => isCurrent() && this.#opened();
        websocket.onmessage = ({ data }) => isCurrent() && this.#received(data);
        websocket.onclose = (event) => isCurrent() && this.#closed(event);
    }

    #subprotocols() {
        if (this.chargePoint.quirks.has("noSubprotocol")) return [];
        const password = this.#password();
        if (!password.length) return [SUBPROTOCOL];
        const name = new TextEncoder().encode(`${this.specification.identity}:`);
        return [SUBPROTOCOL, CREDENTIALS + base64url([...name, ...password])];
    }

    /** What the central system has set replaces the first password; 20 bytes may come as 40 hexadecimal digits. */
    #password() {
        const key = this.chargePoint.configuration.value("AuthorizationKey");
        if (/^(?:[0-9a-f]{2}){16,20}$/i.test(key)) return key.match(/../g).map((digits) => parseInt(digits, 16));
        return [...new TextEncoder().encode(key || this.specification.password)];
    }

    #opened() {
        this.#connectedAt = now();
        this.chargePoint.connected(now(), this.url);
        this.#afterStep();
    }

    #received(data) {
        const text = typeof data === "string" ? data : new TextDecoder().decode(data);
        this.chargePoint.receive(text, now());
        this.#afterStep();
    }

    #closed({ code, reason }) {
        const wasOpen = this.isConnected;
        this.#websocket = null;
        this.#closing = false;
        if (wasOpen) {
            this.chargePoint.disconnected(now(), `${code} ${reason}`.trim());
            if (now() - this.#connectedAt >= STABLE_AFTER_S) this.#failures = 0;
        } else {
            const detail = gettext("Nobody listens there, or the gateway refuses: a browser is not told why. Check endpoint, identity and password.");
            this.#log({ at: this.chargePoint.clock.utc(now()), event: "connection_failed", detail });
        }
        this.#tryLater();
    }

    #tryLater() {
        const longestS = Math.min(LONGEST_BACK_OFF_S, 2 ** this.#failures);
        const isPlanned = this.chargePoint.isResetting || this.chargePoint.mustReconnect;
        const waitS = isPlanned ? BOOT_TIME_S / this.chargePoint.clock.speed : longestS * (0.5 + Math.random() / 2);
        this.chargePoint.mustReconnect = false;
        this.#failures += 1;
        this.#connectAt = now() + waitS;
    }

    #drop(detail) {
        const websocket = this.#websocket;
        const wasOpen = this.isConnected;
        this.#websocket = null;
        this.#closing = false;
        websocket?.close(GOING_AWAY);
        if (wasOpen) this.chargePoint.disconnected(now(), detail);
    }

    #afterStep() {
        const data = this.chargePoint.dataToSend();
        if (this.#websocket?.readyState === WebSocket.OPEN) {
            const isBinary = this.chargePoint.quirks.has("isBinary");
            for (const text of data) this.#websocket.send(isBinary ? new TextEncoder().encode(text) : text);
            if ((this.chargePoint.mustReconnect || this.chargePoint.isResetDue(now())) && !this.#closing) {
                this.#closing = true;
                this.#websocket.close(1000);
            }
        } else if (this.#websocket === null && this.chargePoint.isResetDue(now()) && !this.hasNetwork) {
            this.chargePoint.restart(now()); // it boots without a network, and says so when it is back
        }
        for (const job of this.chargePoint.maintenance.takeJobs()) this.#transfer(job);
        if (this.chargePoint.certificateWanted) this.#requestCertificate();
    }

    // -- files and keys

    /** Move a file and tell the charge point how it went. */
    async #transfer(job) {
        let size = null;
        let genuine = true;
        try {
            if (job.kind === "upload") {
                size = await upload(job, this.#diagnostics(job));
            } else {
                const content = await download(job.url);
                size = content.byteLength;
                if (job.isSigned) {
                    const { publicKey } = read(fromPem(job.signingCertificate)[0]);
                    genuine = (await isGenuine(publicKey, job.signature, content)) ?? true;
                }
            }
        } catch (error) {
            const detail = interpolate(gettext("%s: %s A browser may only reach servers that allow this page (CORS)."), [job.url, error.message]);
            this.#log({ at: this.chargePoint.clock.utc(now()), event: "transfer_failed", detail });
        }
        this.do((chargePoint, at) => chargePoint.maintenance.finished(job, size, at, genuine));
    }

    /** UTF-8 text, a line of JSON for each thing to tell. */
    #diagnostics({ since, until }) {
        const { configuration, charging, maintenance } = this.chargePoint;
        const keys = [...configuration].filter((key) => !key.isSecret).map((key) => [key.name, key.value]);
        const from = since === undefined ? -Infinity : Date.parse(since);
        const to = until === undefined ? Infinity : Date.parse(until);
        const lines = [
            { charge_point: this.specification.identity, firmware_version: maintenance.firmwareVersion },
            { configuration: Object.fromEntries(keys) },
            ...charging.transactions.map(({ data, sampleDue, ...transaction }) => ({ transaction })),
            ...this.logged.filter((entry) => entry.at >= from && entry.at <= to),
        ];
        return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    }

    async #requestCertificate() {
        this.chargePoint.certificateWanted = false;
        const { configuration, certificates } = this.chargePoint;
        const organization = configuration.value("CpoName") || this.specification.vendor;
        const { csr, publicKey } = await requestCertificate(this.specification.identity.slice(0, 64), organization);
        certificates.requestedKey = publicKey;
        this.do((chargePoint, at) => chargePoint.request("SignCertificate", { csr }, at, { isTriggered: true }));
    }

    #log(entry) {
        this.logged.push(entry);
        this.loggedCount += 1;
        if (this.logged.length > MOST_LOGGED) this.logged.shift();
        this.latest = entry;
    }
}

function base64url(bytes) {
    return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** A version 4 UUID; `crypto.randomUUID` is missing on a page without TLS. */
function newUniqueId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
