/* One connector of a card: its display and what a driver does at it. */

import { Chart } from "./chart.js";
import { copy, mark, put, show } from "./dom.js";
import { Car } from "./meter.js";
import { gettext, interpolate } from "./words.js";

const POINT_EVERY_MS = 600;
const TONES = {
    Charging: "good", Preparing: "busy", Finishing: "busy", Reserved: "busy", SuspendedEV: "warning",
    SuspendedEVSE: "warning", Unavailable: "warning", Faulted: "bad",
};

export class ConnectorView {
    #part;
    #nextPointAt = 0;

    constructor(client, connector, isNumbered) {
        this.client = client;
        this.connector = connector;
        this.root = copy("connector");
        this.#part = (selector) => this.root.querySelector(selector);
        const name = interpolate(gettext("Connector %s"), [connector.connectorId]);
        mark(this.root, "aria-label", name);
        put(this.#part(".number"), isNumbered ? name : "");
        this.chart = new Chart(this.#part("svg"));
        this.#connect();
    }

    render() {
        const { connector } = this;
        const { meter, transaction, status } = connector;
        const { car } = meter;
        put(this.#part(".status"), status);
        mark(this.#part(".status"), "data-tone", TONES[status] ?? "idle");
        put(this.#part(".power"), (meter.powerW / 1000).toFixed(meter.powerW < 99_950 ? 1 : 0));
        put(this.#part(".energy"), transaction ? ((meter.exactWh - transaction.meterStartWh) / 1000).toFixed(2) : "-");
        put(this.#part(".soc"), car === null ? "-" : `${car.soc.toFixed(0)} %`);
        this.#part(".battery > span").style.width = `${car?.soc ?? 0}%`;
        this.#part(".display").classList.toggle("flows", meter.powerW > 0);
        put(this.#part(".tag"), transaction?.idTag ?? connector.authorization?.idTag ?? "-");
        put(this.#part(".transaction"), transaction === null ? "-" : String(transaction.transactionId ?? "…"));
        this.#renderLimit();
        this.#renderControls(car, transaction);
        this.#renderChart(meter);
    }

    #renderLimit() {
        const { chargePoint } = this.client;
        this.limitW = chargePoint.charging.limitW(this.connector, performance.now() / 1000);
        const isLimited = this.limitW !== null && this.limitW < this.connector.maxPowerW;
        const text = isLimited ? interpolate(gettext("limited to %s kW"), [(this.limitW / 1000).toFixed(1)]) : "";
        put(this.#part(".limit-note"), text);
    }

    #renderControls(car, transaction) {
        put(this.#part(".plug"), car === null || this.connector.isEvDisconnected ? gettext("Plug in") : gettext("Unplug"));
        put(this.#part(".pause"), car?.isPaused ? gettext("Resume") : gettext("Suspend"));
        this.#part(".pause").disabled = car === null;
        this.#part(".stop").disabled = transaction === null;
        const isFaulted = this.connector.errorCode !== "NoError";
        put(this.#part(".fault"), isFaulted ? gettext("Clear the fault") : gettext("Fault"));
        show(this.#part(".fault-code"), !isFaulted);
    }

    #renderChart(meter) {
        if (performance.now() < this.#nextPointAt) return;
        this.#nextPointAt = performance.now() + POINT_EVERY_MS;
        this.chart.add(meter.powerW, this.limitW, this.connector.maxPowerW);
    }

    #connect() {
        const { client, connector } = this;
        const act = (selector, does) => this.#part(selector).addEventListener("click", () => {
            client.do(does);
            this.render();
        });
        act(".plug", (chargePoint, now) => {
            if (connector.isPlugged && !connector.isEvDisconnected) chargePoint.unplug(connector, now);
            else chargePoint.plugIn(connector, connector.meter.car ?? this.#newCar(), now);
        });
        act(".pause", (chargePoint, now) => chargePoint.pause(connector, !connector.meter.car.isPaused, now));
        act(".stop", (chargePoint, now) => chargePoint.stop(connector, now));
        act(".fault", (chargePoint, now) => {
            const isFaulted = connector.errorCode !== "NoError";
            chargePoint.fault(connector, isFaulted ? "NoError" : this.#part(".fault-code select").value, now);
        });
        this.#part(".reader").addEventListener("submit", (event) => {
            event.preventDefault();
            const idTag = this.#part(".reader input").value.trim();
            if (idTag) client.do((chargePoint, now) => chargePoint.presentTag(idTag, connector, now));
            this.render();
        });
        this.#connectCarPower();
    }

    #connectCarPower() {
        const slider = this.#part(".car-power");
        const apply = () => {
            const text = `${Number(slider.value).toFixed(1)} kW`;
            put(this.#part(".car-power-value"), text);
            mark(slider, "aria-valuetext", text);
            this.client.do((chargePoint, now) => chargePoint.setCarPower(this.connector, slider.value * 1000, now));
        };
        slider.max = String(this.connector.maxPowerW / 1000);
        slider.value = slider.max;
        slider.addEventListener("input", apply);
        apply();
    }

    #newCar() {
        const soc = 20 + Math.floor(Math.random() * 40);
        return new Car({ soc, maxPowerW: this.#part(".car-power").value * 1000 });
    }
}
