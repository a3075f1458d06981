/* The page: the form that adds charge points, the cards, and the time that passes for all of them. */

import { Card } from "./card.js";
import { SimulatedChargePoint } from "./client.js";
import { gettext } from "./words.js";

const TICK_MS = 200;
const KEPT = "simulator.charge_points"; // survives a reload of this tab; no passwords
const MODELS = { // phases and the greatest power of one connector
    ac7: { model: "Sim AC 7", phases: 1, maxPowerW: 7360 },
    ac11: { model: "Sim AC 11", phases: 3, maxPowerW: 11_040 },
    ac22: { model: "Sim AC 22", phases: 3, maxPowerW: 22_080 },
    dc150: { model: "Sim DC 150", phases: 3, maxPowerW: 150_000 },
};

const form = document.getElementById("add");
const list = document.getElementById("chargers");
const cards = [];
let schemas;

async function begin() {
    const response = await fetch(document.body.dataset.requests);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    schemas = await response.json();
    form.elements.identity.value = proposal();
    form.addEventListener("submit", submitted);
    for (const { specification, memory } of remembered()) add(specification, memory);
    setInterval(tick, TICK_MS);
    addEventListener("beforeunload", (event) => {
        if (cards.some((card) => isBusy(card.client.chargePoint))) event.preventDefault();
    });
    addEventListener("pagehide", () => remember((client) => client.powerOff()));
    document.body.dataset.ready = "";
}

function submitted(event) {
    event.preventDefault();
    const { endpoint, identity, password, model, connectors, vendor } = form.elements;
    const quirks = [...form.querySelectorAll("[name=quirk]:checked")].map((box) => box.value);
    const problem = validate(endpoint.value.trim(), identity.value.trim());
    const message = document.getElementById("problem");
    message.textContent = problem;
    if (problem) return;
    add({
        endpoint: endpoint.value.trim(),
        identity: identity.value.trim(),
        password: password.value,
        vendor: vendor.value.trim() || "Simulated",
        connectors: Number(connectors.value),
        firmwareVersion: "1.0.0",
        sampleIntervalS: 15,
        speed: 1,
        quirks,
        ...MODELS[model.value],
    }).root.querySelector(".plug").focus();
    password.value = "";
    identity.value = proposal();
    remember();
}

function validate(endpoint, identity) {
    if (!/^wss?:\/\/[^/]/.test(endpoint)) return gettext("The endpoint begins with ws:// or wss://, such as ws://127.0.0.1:9000/ocpp.");
    if (location.protocol === "https:" && endpoint.startsWith("ws://")) {
        return gettext("A page that came over https may open wss:// only.");
    }
    if (!identity) return gettext("A charge point has an identity.");
    if (cards.some(({ client }) => client.specification.identity === identity)) {
        return gettext("There is a charge point with this identity on the page already.");
    }
    return "";
}

function add(specification, memory = null) {
    const client = new SimulatedChargePoint(specification, schemas, memory);
    const card = new Card(client, schemas, { onRemove: remove });
    cards.push(card);
    list.append(card.root);
    document.getElementById("none").hidden = true;
    client.tick();
    return card;
}

function remove(card) {
    card.client.close();
    cards.splice(cards.indexOf(card), 1);
    card.root.remove();
    document.getElementById("none").hidden = cards.length > 0;
    form.elements.identity.focus();
    remember();
}

function tick() {
    for (const card of cards) {
        card.client.tick();
        card.render();
    }
}

function isBusy({ outbox, connectors }) {
    return outbox.size > 0 || connectors.some((connector) => connector.transaction !== null);
}

function proposal() {
    return `WEB-${Math.floor(Math.random() * 36 ** 4).toString(36).toUpperCase().padStart(4, "0")}`;
}

function remember(memoryOf = () => null) {
    const kept = cards.map(({ client }) => ({
        specification: { ...client.specification, password: "" }, memory: memoryOf(client),
    }));
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
}

function remembered() {
    try {
        return JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
    } catch {
        return [];
    }
}

begin().catch((error) => {
    document.getElementById("problem").textContent = `${gettext("The page cannot start.")} ${error.message}`;
    throw error;
});
