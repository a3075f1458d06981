/* The three frames of OCPP-J 1.6 §4.2: [2, id, action, payload], [3, id, payload], [4, id, code, description, details]. */

export const CALL = 2;
export const CALL_RESULT = 3;
export const CALL_ERROR = 4;
const MAX_DESCRIPTION_LENGTH = 255;

/** What cannot be taken as a message; `code` is one of OCPP-J 1.6 §4.2.3, `uniqueId` is there where it could be read. */
export class MessageError extends Error {
    constructor(code, description, uniqueId = null) {
        super(description);
        this.code = code;
        this.description = description;
        this.uniqueId = uniqueId;
    }
}

/** The text of a websocket message as `{type, uniqueId, …}`; throws `MessageError`. */
export function decode(text) {
    let frame;
    try {
        frame = JSON.parse(text);
    } catch {
        throw new MessageError("FormationViolation", "The frame is not JSON.");
    }
    if (!Array.isArray(frame)) throw new MessageError("FormationViolation", "The frame is not a list.");
    const [type, uniqueId, ...rest] = frame;
    if (typeof uniqueId !== "string" && typeof uniqueId !== "number") {
        throw new MessageError("FormationViolation", "The frame has no unique id.");
    }
    if (type === CALL) return decodeCall(uniqueId, rest);
    if (type === CALL_RESULT) return { type, uniqueId: String(uniqueId), payload: rest[0] ?? {} };
    if (type === CALL_ERROR) {
        const [code = "", description = "", details = {}] = rest;
        return { type, uniqueId: String(uniqueId), code: String(code), description: String(description), details };
    }
    throw new MessageError("ProtocolError", "The message type is none of 2, 3 and 4.");
}

function decodeCall(uniqueId, [action, payload]) {
    if (typeof action !== "string" || payload === null || typeof payload !== "object" || Array.isArray(payload)) {
        throw new MessageError("FormationViolation", "A CALL is [2, id, action, {…}].", uniqueId);
    }
    return { type: CALL, uniqueId, action, payload };
}

export function encodeCall(uniqueId, action, payload) {
    return JSON.stringify([CALL, uniqueId, action, payload]);
}

export function encodeResult(uniqueId, payload) {
    return JSON.stringify([CALL_RESULT, uniqueId, payload]);
}

export function encodeError(uniqueId, code, description) {
    return JSON.stringify([CALL_ERROR, uniqueId, code, description.slice(0, MAX_DESCRIPTION_LENGTH), {}]);
}
