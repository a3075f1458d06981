/* One connection as a state machine: frames and times in, events out. Pure.

   `now` is a clock that never runs backwards, in seconds. Our CALLs go out one at a time: the next only after the answer
   to the last, or its timeout (OCPP-J 1.6 §4.1.1). Answers to the peer's CALLs pass at any time. */

import { CALL, MessageError, decode } from "./frames.js";

export class Session {
    #queue = [];
    #outstanding = null;
    #late = new Map();
    #toSend = [];

    /** The unique id of our CALL whose answer is awaited, or null. */
    get outstanding() {
        return this.#outstanding?.uniqueId ?? null;
    }

    /** Queue a CALL of ours; it is written when no other is outstanding. */
    call(uniqueId, data, timeoutS, now) {
        this.#queue.push({ uniqueId, data, timeoutS });
        return this.tick(now);
    }

    /** Write something that is no CALL of ours. */
    write(data) {
        this.#toSend.push(data);
    }

    /** Take one websocket message. */
    receive(text, now) {
        let frame;
        try {
            frame = decode(text);
        } catch (error) {
            if (!(error instanceof MessageError)) throw error;
            if (error.uniqueId === null) return [{ kind: "unexpected", text, description: error.description }];
            return [{ kind: "call", uniqueId: error.uniqueId, action: "", payload: null, text, error }];
        }
        if (frame.type === CALL) return [{ kind: "call", text, ...frame }];
        return this.#receiveAnswer(frame, text, now);
    }

    /** Let time pass: give up on the outstanding CALL when its time is over, and write the next one. */
    tick(now) {
        const events = [];
        if (this.#outstanding !== null && now >= this.#outstanding.deadline) {
            events.push({ kind: "timedOut", uniqueId: this.#outstanding.uniqueId });
            this.#late.set(this.#outstanding.uniqueId, true);
            this.#outstanding = null;
        }
        events.push(...this.#writeNext(now));
        return events;
    }

    /** The websocket messages to write now, in order; each is given out once. */
    dataToSend() {
        return this.#toSend.splice(0);
    }

    /** The end of the connection; which CALL was outstanding, and which were never written. */
    close() {
        const left = { outstanding: this.outstanding, waiting: this.#queue.map((call) => call.uniqueId) };
        this.#outstanding = null;
        this.#queue = [];
        this.#toSend = [];
        return left;
    }

    #receiveAnswer(frame, text, now) {
        if (frame.uniqueId === this.outstanding) {
            const latencyS = now - this.#outstanding.writtenAt;
            this.#outstanding = null;
            return [{ kind: "answer", text, latencyS, ...frame }, ...this.#writeNext(now)];
        }
        const description = this.#late.delete(frame.uniqueId) ? "late" : "It answers no CALL of this charge point.";
        return [{ kind: "unexpected", text, description }];
    }

    #writeNext(now) {
        const call = this.#outstanding === null ? this.#queue.shift() : undefined;
        if (call === undefined) return [];
        this.#outstanding = { uniqueId: call.uniqueId, writtenAt: now, deadline: now + call.timeoutS };
        this.#toSend.push(call.data);
        return [{ kind: "written", uniqueId: call.uniqueId }];
    }
}
