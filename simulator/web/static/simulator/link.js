/* The conversation of one charge point, over however many connections it takes: requests out, answers matched, all of
   it written to the log. Pure: after each method that takes `now`, write what `dataToSend` gives. */

import { encodeCall, encodeError, encodeResult } from "./frames.js";
import { Session } from "./session.js";

export class Link {
    #session = null;
    #pending = new Map();
    #count = 0;
    #quirks;
    #newUniqueId;
    #log;
    lastSentAt = 0;

    /** `log({event, action, uniqueId, frame, detail})` is told of every frame. */
    constructor({ quirks, newUniqueId, log }) {
        this.#quirks = quirks;
        this.#newUniqueId = newUniqueId;
        this.#log = log;
    }

    get isOpen() {
        return this.#session !== null;
    }

    /** Whether no request of ours is waiting, to be written or for its answer. */
    get isIdle() {
        return this.#pending.size === 0;
    }

    open() {
        this.#session = new Session();
    }

    /** The connection has ended; the requests that it leaves unanswered. */
    close() {
        if (this.#session === null) return [];
        const { outstanding, waiting } = this.#session.close();
        this.#session = null;
        const left = [...this.#pending.values()];
        const lost = this.#pending.get(outstanding);
        if (lost) this.#log({ event: "unanswered", action: lost.action, uniqueId: outstanding, unsent: waiting.length });
        this.#pending.clear();
        return left;
    }

    /** Queue a request; it is written when no other is outstanding. */
    send(action, payload, now, { timeoutS, context = null }) {
        this.#count += 1;
        const onWire = this.#quirks.uniqueId(this.#count) ?? this.#newUniqueId();
        const data = encodeCall(onWire, action, this.#quirks.payload(action, payload));
        // A charge point that uses an id again has at most one CALL outstanding: those that wait are kept apart here.
        const key = this.#pending.has(String(onWire)) ? `${onWire}#${this.#count}` : String(onWire);
        this.#pending.set(key, { action, payload, context, data, onWire: String(onWire) });
        return this.#happenings(this.#session.call(key, data, timeoutS, now), now);
    }

    /** Write anything at all, as somebody typed it. */
    sendRaw(text) {
        this.#log({ event: "raw_sent", frame: text });
        this.#session.write(text);
    }

    receive(text, now) {
        if (this.#session === null) return [];
        return this.#happenings(this.#session.receive(this.#withKey(text), now), now, text);
    }

    tick(now) {
        return this.#session === null ? [] : this.#happenings(this.#session.tick(now), now);
    }

    answer(call, payload) {
        const frame = encodeResult(call.uniqueId, payload);
        this.#log({ event: "answer_sent", action: call.action, uniqueId: call.uniqueId, frame });
        this.#session?.write(frame);
    }

    /** Answer with a CALLERROR (OCPP-J 1.6 §4.2.3). */
    refuse(call, error) {
        const frame = encodeError(call.uniqueId, error.code, error.description);
        this.#log({
            event: "call_error_sent", action: call.action, uniqueId: call.uniqueId, frame, detail: error.description,
        });
        this.#session?.write(frame);
    }

    dataToSend() {
        return this.#session === null ? [] : this.#session.dataToSend();
    }

    /** An answer to an id that waits under a name of its own. */
    #withKey(text) {
        const outstanding = this.#session.outstanding;
        if (outstanding === null || !outstanding.includes("#")) return text;
        try {
            const frame = JSON.parse(text);
            if ([3, 4].includes(frame[0]) && String(frame[1]) === this.#pending.get(outstanding)?.onWire) {
                return JSON.stringify([frame[0], outstanding, ...frame.slice(2)]);
            }
        } catch {
            // the session says what is wrong with it
        }
        return text;
    }

    #happenings(events, now, text) {
        return events.map((event) => this.#happening(event, now, text)).filter((happening) => happening !== null);
    }

    #happening(event, now, text) {
        switch (event.kind) {
            case "written": {
                const { action, data, onWire } = this.#pending.get(event.uniqueId);
                this.lastSentAt = now;
                this.#log({ event: "call_sent", action, uniqueId: onWire, frame: data });
                for (const frame of this.#quirks.after(action, data)) this.sendRaw(frame);
                return null;
            }
            case "answer": return this.#answered(event, text);
            case "timedOut": {
                const pending = this.#take(event.uniqueId);
                this.#log({ event: "timed_out", action: pending.action, uniqueId: pending.onWire });
                return { kind: "failed", ...pending, code: null, description: "" };
            }
            case "call":
                this.#log({ event: "call_received", action: event.action, uniqueId: event.uniqueId, frame: event.text });
                return { kind: "called", call: event, error: event.error ?? null };
            default:
                this.#log({ event: "unexpected_received", frame: text, detail: event.description });
                return null;
        }
    }

    #answered(event, text) {
        const pending = this.#take(event.uniqueId);
        const entry = { action: pending.action, uniqueId: pending.onWire, frame: text, latencyS: event.latencyS };
        if (event.code !== undefined) {
            this.#log({ event: "call_error_received", ...entry, detail: `${event.code}: ${event.description}` });
            return { kind: "failed", ...pending, code: event.code, description: event.description };
        }
        this.#log({ event: "answer_received", ...entry });
        return { kind: "answered", ...pending, response: event.payload };
    }

    #take(key) {
        const pending = this.#pending.get(key);
        this.#pending.delete(key);
        return pending;
    }
}

