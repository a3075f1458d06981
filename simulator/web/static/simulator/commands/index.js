/* What a charge point does when the central system calls: one function for each action, by feature profile.

   A handler takes the charge point, the request and `now`, and returns `{response, after, note}`: the response, what to
   do once it is on its way (a triggered message must not overtake it, OCPP 1.6 §5.17), and in words what it made of the
   command. It throws a `MessageError` to answer with a CALLERROR. */

import { MessageError } from "../frames.js";
import { check } from "../schema.js";
import { gettext, interpolate } from "../words.js";
import * as core from "./core.js";
import * as firmwareManagement from "./firmware_management.js";
import * as localAuthListManagement from "./local_auth_list_management.js";
import * as remoteTrigger from "./remote_trigger.js";
import * as reservation from "./reservation.js";
import * as security from "./security.js";
import * as smartCharging from "./smart_charging.js";

export const HANDLERS = {
    ...core.HANDLERS,
    ...firmwareManagement.HANDLERS,
    ...localAuthListManagement.HANDLERS,
    ...remoteTrigger.HANDLERS,
    ...reservation.HANDLERS,
    ...security.HANDLERS,
    ...smartCharging.HANDLERS,
};
const MOST_REMEMBERED = 100;

/** Answer a CALL of the central system and act on it. */
export function execute(chargePoint, link, { call, error }, now) {
    if (chargePoint.registration.isRejected) return; // OCPP 1.6 §4.2: it shall not respond to any message
    const executed = { at: chargePoint.clock.utc(now), action: call.action, request: call.payload };
    try {
        if (error !== null) throw error;
        const handler = handlerFor(chargePoint, call);
        const { response, after, note } = handler(chargePoint, call.payload, now);
        link.answer(call, response);
        after?.();
        remember(chargePoint, { ...executed, status: response.status ?? "", response, note: note ?? "" });
    } catch (refusal) {
        if (!(refusal instanceof MessageError)) throw refusal;
        link.refuse(call, refusal);
        remember(chargePoint, { ...executed, status: refusal.code, isRefused: true, note: refusal.description });
    }
}

function handlerFor(chargePoint, { action, payload }) {
    const known = chargePoint.schemas[action];
    if (known === undefined) {
        throw new MessageError("NotImplemented", `OCPP 1.6 has no action '${action.slice(0, 40)}'.`);
    }
    if (known.sender === "charge_point") {
        throw new MessageError("NotSupported", `${action} is sent by charge points, not to them.`);
    }
    check(known.schema, payload);
    return HANDLERS[action];
}

function remember(chargePoint, executed) {
    chargePoint.executed.unshift(executed);
    chargePoint.executed.length = Math.min(chargePoint.executed.length, MOST_REMEMBERED);
    const words = interpolate(gettext("The central system asked for %s."), [executed.action || "?"]);
    chargePoint.log({ event: "executed", action: executed.action, detail: `${words} ${executed.note}`.trim() });
}
