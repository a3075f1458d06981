/* A charge point on the page: its state, its controls, what it said and what it was told. */

import { ConnectorView } from "./connector_view.js";
import { copy, make, mark, put, show } from "./dom.js";
import { LogView, clockTime, isNews, sentence } from "./log_view.js";
import { gettext, interpolate } from "./words.js";

const SPEEDS = [1, 2, 5, 10, 30, 60, 120, 300, 600];
let count = 0;

export class Card {
    #news = null;
    #executed = 0;
    #part;

    constructor(client, schemas, { onRemove }) {
        this.client = client;
        this.root = copy("charger");
        this.#part = (selector) => this.root.querySelector(selector);
        count += 1;
        const title = this.#part(".identity");
        title.textContent = client.specification.identity;
        title.id = `charger-${count}`;
        this.root.setAttribute("aria-labelledby", title.id);
        put(this.#part(".address"), client.url);
        this.log = new LogView(this.#part(".log"), client);
        this.connectors = client.chargePoint.connectors.map((connector) => {
            const view = new ConnectorView(client, connector, client.chargePoint.connectors.length > 1);
            this.#part(".connectors").append(view.root);
            return view;
        });
        this.#connectIds();
        this.#part(".network").addEventListener("click", () => {
            if (client.hasNetwork) client.loseNetwork();
            else client.restoreNetwork();
            this.render();
        });
        this.#part(".remove").addEventListener("click", () => onRemove(this));
        this.#connectSpeed();
        this.#connectRaw(schemas);
        this.#part(".quirk-list").textContent = client.chargePoint.quirks.names.join(", ");
        show(this.#part(".quirky"), client.chargePoint.quirks.names.length > 0);
        this.render();
    }

    /** Show what is true now. */
    render() {
        const { chargePoint } = this.client;
        const [word, tone] = connectionState(this.client);
        put(this.#part(".connection"), word);
        mark(this.#part(".connection"), "data-tone", tone);
        const kept = chargePoint.outbox.size;
        put(this.#part(".kept"), kept ? interpolate(gettext("%s kept"), [kept]) : "");
        show(this.#part(".kept"), kept > (chargePoint.isOnline ? 1 : 0)); // one is under way all the time
        put(this.#part(".network"), this.client.hasNetwork ? gettext("Lose the network") : gettext("Restore the network"));
        for (const view of this.connectors) view.render();
        this.log.render();
        this.#renderNews();
        this.#renderExecuted();
        if (this.#part(".inside").open) this.#renderInside();
    }

    /** Labels and their fields belong together by id, and ids are unique on the page. */
    #connectIds() {
        for (const element of this.root.querySelectorAll("[data-id]")) {
            count += 1;
            element.id = `${element.dataset.id}-${count}`;
            const label = element.closest(".field")?.querySelector("label");
            if (label) label.htmlFor = element.id;
        }
    }

    #connectSpeed() {
        const slider = this.#part(".speed");
        const apply = () => {
            const speed = SPEEDS[slider.value];
            const text = speed === 1 ? gettext("real time") : interpolate(gettext("%s × real time"), [speed]);
            put(this.#part(".speed-value"), text);
            mark(slider, "aria-valuetext", text);
            this.client.do((chargePoint, now) => chargePoint.setSpeed(speed, now));
        };
        slider.max = SPEEDS.length - 1;
        slider.value = Math.max(0, SPEEDS.indexOf(this.client.specification.speed));
        slider.addEventListener("input", apply);
        apply();
    }

    #connectRaw(schemas) {
        const form = this.#part(".raw-form");
        const text = form.querySelector("textarea");
        const samples = form.querySelector("select");
        for (const action of Object.keys(schemas).filter((name) => schemas[name].sender !== "central_system").sort()) {
            samples.append(new Option(action, action));
        }
        samples.addEventListener("change", () => {
            if (!samples.value) return;
            const payload = sample(schemas[samples.value].schema);
            text.value = JSON.stringify([2, `raw-${Date.now()}`, samples.value, payload], null, 1);
        });
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            const isSent = this.client.sendRaw(text.value);
            put(form.querySelector(".outcome"), isSent ? gettext("Sent as it is.") : gettext("There is no connection."));
            this.render();
        });
    }

    #renderNews() {
        const { logged } = this.client;
        const latest = logged.findLast(isNews);
        const refusal = this.client.chargePoint.reader.last?.refusal;
        if (latest === this.#news && refusal === this.refusal) return;
        const isTag = refusal && refusal !== this.refusal;
        this.#news = latest;
        this.refusal = refusal;
        const text = isTag
            ? interpolate(gettext("The tag is refused: %s."), [refusal])
            : latest === undefined ? "" : sentence(latest);
        put(this.#part(".news"), text);
    }

    #renderExecuted() {
        const { executed } = this.client.chargePoint;
        const newest = executed[0]?.at ?? 0;
        if (executed.length === this.#executed && newest === this.newest) return;
        this.#executed = executed.length;
        this.newest = newest;
        this.#part(".commands").replaceChildren(...executed.map(commandLine));
        show(this.#part(".no-commands"), !executed.length);
        put(this.#part(".command-count"), String(executed.length));
    }

    /** Configuration and all else that the central system has put into it. */
    #renderInside() {
        const { configuration, profiles, charging, reader, certificates, maintenance } = this.client.chargePoint;
        const keys = [...configuration].map((key) => [key.name, key.isSecret ? (key.value ? "••••" : "") : key.value, key]);
        fill(this.#part(".configuration"), keys, ([name, value, key]) => {
            const row = document.createElement("tr");
            const head = make("th", "", name);
            head.scope = "row";
            const notes = [
                key.isReadonly ? gettext("read-only") : "",
                key.nextValue === null ? "" : interpolate(gettext("%s after a reset"), [key.nextValue]),
            ];
            row.append(head, make("td", "mono", value), make("td", "hint", notes.filter(Boolean).join(", ")));
            return row;
        });
        const facts = [
            ...profiles.installed.map(({ connectorId, profile }) => [
                `${profile.chargingProfilePurpose} ${profile.chargingProfileId}`,
                interpolate(gettext("connector %s, level %s, %s: %s"), [
                    connectorId, profile.stackLevel, profile.chargingProfileKind,
                    profile.chargingSchedule.chargingSchedulePeriod
                        .map((one) => `${one.startPeriod} s ${one.limit} ${profile.chargingSchedule.chargingRateUnit}`)
                        .join(", "),
                ]),
            ]),
            ...charging.reservations.all().map((one) => [
                interpolate(gettext("Reservation %s"), [one.reservationId]),
                interpolate(gettext("connector %s for %s until %s"), [one.connectorId, one.idTag, one.expiryDate]),
            ]),
            [gettext("Local list"), interpolate(gettext("version %s: %s"), [
                reader.localList.reportedVersion, [...reader.localList.entries.keys()].slice(0, 20).join(", ") || "-",
            ])],
            [gettext("Cache"), interpolate(gettext("%s tags"), [reader.cache.size])],
            [gettext("Firmware"), `${maintenance.firmwareVersion} · ${maintenance.firmwareStatus}`],
            [gettext("Diagnostics and logs"), maintenance.uploadStatus],
            ...certificates.installed.map((one) => [one.type, `${one.subject}, ${one.validTo}`]),
            ...(certificates.own ? [[gettext("Own certificate"), `${certificates.own.subject}, ${certificates.own.validTo}`]] : []),
        ];
        fill(this.#part(".facts"), facts, ([name, value]) => {
            const pair = make("div");
            pair.append(make("dt", "", name), make("dd", "", value));
            return pair;
        });
    }
}

/** New children where what they show has changed. */
function fill(parent, values, build) {
    const shown = JSON.stringify(values);
    if (parent.shown === shown) return;
    parent.shown = shown;
    parent.replaceChildren(...values.map(build));
}

function commandLine({ at, action, request, response, status, note, isRefused }) {
    const item = make("li", isRefused || ["Rejected", "Failed", "NotSupported"].includes(status) ? "bad" : "");
    const details = document.createElement("details");
    const head = make("summary", "head");
    head.append(make("time", "", clockTime(at)), make("b", "", action || "?"));
    if (status) head.append(make("span", "badge", status));
    if (note) head.append(make("span", "detail", note));
    const pretty = make("pre", "pretty", `${JSON.stringify(request, null, 2)}\n→ ${JSON.stringify(response ?? status, null, 2)}`);
    pretty.tabIndex = 0;
    details.append(head, pretty);
    item.append(details);
    return item;
}

function connectionState({ chargePoint, hasNetwork }) {
    if (!hasNetwork) return [gettext("No network"), "bad"];
    if (chargePoint.isResetting) return [gettext("Restarting"), "warning"];
    if (!chargePoint.isConnected) return [gettext("Connecting"), "warning"];
    if (chargePoint.registration.isAccepted) return [gettext("Online"), "good"];
    if (chargePoint.registration.status === null) return [gettext("Booting"), "warning"];
    return [chargePoint.registration.status, "warning"];
}

/** A payload to begin with: what is required, with a value of its type. */
function sample({ $ref, $defs }) {
    const value = (schema) => {
        const { type, format, properties, required = [], items, enum: words } =
            schema.$ref === undefined ? schema : $defs[schema.$ref.split("/").at(-1)];
        if (words !== undefined) return words[0];
        if (type === "object") return Object.fromEntries(required.map((name) => [name, value(properties[name])]));
        if (type === "array") return [value(items)];
        if (type === "string") return format === "date-time" ? new Date().toISOString() : "X";
        return type === "boolean" ? false : 1;
    };
    return value({ $ref });
}
