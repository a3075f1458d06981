/* The frames and what happened between them, the newest first. */

import { make, put } from "./dom.js";
import { gettext, interpolate } from "./words.js";

const MOST_SHOWN = 300;
const OUT = ["call_sent", "answer_sent", "call_error_sent", "raw_sent"];
const IN = ["call_received", "answer_received", "call_error_received", "unexpected_received"];
const BAD = [
    "call_error_received", "call_error_sent", "unexpected_received", "timed_out", "discarded", "connection_failed",
    "transfer_failed",
];

const words = {
    connected: () => gettext("connected"),
    disconnected: () => gettext("disconnected"),
    connection_failed: () => gettext("cannot connect"),
    call_sent: () => "CALL",
    call_received: () => "CALL",
    answer_sent: () => "CALLRESULT",
    answer_received: () => "CALLRESULT",
    call_error_sent: () => "CALLERROR",
    call_error_received: () => "CALLERROR",
    raw_sent: () => gettext("raw"),
    unexpected_received: () => gettext("unexpected"),
    timed_out: () => gettext("no answer in time"),
    unanswered: () => gettext("left unanswered"),
    discarded: () => gettext("given up"),
    transfer_failed: () => gettext("cannot transfer"),
    transaction_started: () => gettext("transaction started"),
    transaction_stopped: () => gettext("transaction stopped"),
};

/** The time of day in the viewer's zone, always in the same width. */
export function clockTime(utcMs) {
    return new Date(utcMs).toLocaleTimeString([], { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** What an entry says to a person, in one line. */
export function sentence(entry) {
    const { event, action = "", detail = "", transaction } = entry;
    if (event === "transaction_started") {
        return interpolate(gettext("Connector %s: a transaction has started for %s."), [transaction.connectorId, transaction.idTag]);
    }
    if (event === "transaction_stopped") {
        const energy = ((transaction.meterStopWh - transaction.meterStartWh) / 1000).toFixed(2);
        return interpolate(gettext("Connector %s: the transaction has stopped (%s), %s kWh."), [transaction.connectorId, transaction.reason, energy]);
    }
    if (event === "executed") return detail;
    return [words[event]?.() ?? event, action, detail].filter(Boolean).join(" · ");
}

/** Whether an entry is worth a line for somebody who does not read frames. */
export function isNews({ event }) {
    return event === "executed" || event.startsWith("transaction_") || event.startsWith("connect") ||
        event === "disconnected" || BAD.includes(event);
}

export class LogView {
    #list;
    #filter;
    #seen = 0;
    #empty;

    constructor(root, client) {
        this.#list = root.querySelector(".frames");
        this.#filter = root.querySelector(".filter");
        this.#empty = root.querySelector(".empty");
        this.client = client;
        this.#filter.addEventListener("input", () => this.#apply());
        root.querySelector(".download").addEventListener("click", () => this.#download());
    }

    render() {
        const fresh = this.client.loggedCount - this.#seen;
        if (!fresh) return;
        this.#seen = this.client.loggedCount;
        for (const entry of this.client.logged.slice(-Math.min(fresh, MOST_SHOWN))) {
            if (entry.event === "executed") continue; // its frames are here already
            const item = line(entry);
            item.hidden = !this.#matches(item);
            this.#list.prepend(item);
        }
        while (this.#list.childElementCount > MOST_SHOWN) this.#list.lastElementChild.remove();
        this.#empty.hidden = this.#list.childElementCount > 0;
    }

    #matches(item) {
        return item.textContent.toLowerCase().includes(this.#filter.value.trim().toLowerCase());
    }

    #apply() {
        for (const item of this.#list.children) item.hidden = !this.#matches(item);
    }

    /** All that is kept, a line of JSON each. */
    #download() {
        const text = this.client.logged.map((entry) => `${JSON.stringify({ ...entry, at: new Date(entry.at) })}\n`).join("");
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
        link.download = `${this.client.specification.identity.replace(/[^\w.-]/g, "_")}.jsonl`;
        link.click();
        URL.revokeObjectURL(link.href);
    }
}

function line(entry) {
    const { event, at, action = "", frame, detail = "", latencyS } = entry;
    const item = make("li", OUT.includes(event) ? "out" : IN.includes(event) ? "in" : "between");
    item.classList.toggle("bad", BAD.includes(event));
    const head = frame === undefined ? make("p", "head") : make("summary", "head");
    const word = words[event]?.() ?? event;
    head.append(make("time", "", clockTime(at)), arrow(event), make("b", "", action || word));
    if (action) head.append(make("span", "kind", word));
    if (latencyS !== undefined) head.append(make("span", "latency", `${Math.round(latencyS * 1000)} ms`));
    const said = entry.transaction === undefined ? detail : sentence(entry);
    if (said) head.append(make("span", "detail", said));
    if (frame === undefined) {
        item.append(head);
        return item;
    }
    const details = document.createElement("details");
    const raw = make("code", "raw", frame);
    head.append(raw);
    const pretty = make("pre", "pretty");
    pretty.tabIndex = 0;
    details.append(head, pretty);
    details.addEventListener("toggle", () => put(pretty, indented(frame)));
    item.append(details);
    return item;
}

function arrow(event) {
    const isOut = OUT.includes(event);
    const mark = make("span", "arrow", isOut ? "→" : IN.includes(event) ? "←" : "·");
    if (mark.textContent === "·") {
        mark.setAttribute("aria-hidden", "true");
    } else {
        mark.setAttribute("role", "img");
        mark.setAttribute("aria-label", isOut ? gettext("sent") : gettext("received"));
    }
    return mark;
}

function indented(frame) {
    try {
        return JSON.stringify(JSON.parse(frame), null, 2);
    } catch {
        return frame;
    }
}
