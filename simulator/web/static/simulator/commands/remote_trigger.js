/* The Remote Trigger profile's command (OCPP 1.6 §5.17). */

/** Send a message that is not due (§5.17); the response goes first. */
function triggerMessage(chargePoint, { requestedMessage, connectorId }, now) {
    return trigger(chargePoint, SENDERS[requestedMessage], requestedMessage, connectorId, now);
}

/** What both kinds of trigger do. */
export function trigger(chargePoint, send, requestedMessage, connectorId, now) {
    const connector = connectorId === undefined ? null : chargePoint.charging.connector(connectorId);
    const needsConnector = ["MeterValues", "StatusNotification"].includes(requestedMessage);
    if (needsConnector && connectorId !== undefined && connector === null) return { response: { status: "Rejected" } };
    if (requestedMessage === "BootNotification" && chargePoint.registration.isAccepted) {
        return { response: { status: "Rejected" }, note: requestedMessage }; // errata 3.35
    }
    return {
        response: { status: "Accepted" },
        note: requestedMessage,
        after: () => send(chargePoint, connector, now),
    };
}

const isTriggered = { isTriggered: true }; // §4.2: while Pending only what was triggered may be sent

export const COMMON = {
    BootNotification: (chargePoint, _connector, now) => chargePoint.boot(now),
    Heartbeat: (chargePoint, _connector, now) => chargePoint.request("Heartbeat", {}, now, isTriggered),
    MeterValues: (chargePoint, connector, now) => {
        for (const one of connector === null ? chargePoint.connectors : [connector]) {
            const value = chargePoint.charging.sampler.read(one, "Trigger", "MeterValuesSampledData", now);
            if (value === null) continue;
            const payload = { connectorId: one.connectorId, meterValue: [value] };
            const transactionId = one.transaction?.transactionId ?? null;
            if (transactionId !== null) payload.transactionId = transactionId;
            chargePoint.request("MeterValues", payload, now, isTriggered);
        }
    },
    // §5.17: without a connector, for the charge point itself and for each connector.
    StatusNotification: (chargePoint, connector, now) => {
        for (const one of connector === null ? [null, ...chargePoint.connectors] : [connector]) {
            chargePoint.reportStatus(one, now, true);
        }
    },
};

const SENDERS = {
    ...COMMON,
    DiagnosticsStatusNotification: (chargePoint, _connector, now) => {
        const status = chargePoint.maintenance.isUploading ? "Uploading" : "Idle"; // §4.4: when nothing is under way
        chargePoint.request("DiagnosticsStatusNotification", { status }, now, isTriggered);
    },
    FirmwareStatusNotification: (chargePoint, _connector, now) => {
        const { isUpdating, firmwareStatus } = chargePoint.maintenance;
        const known = ["Downloading", "Downloaded", "Installing"].includes(firmwareStatus);
        const status = isUpdating && known ? firmwareStatus : "Idle";
        chargePoint.request("FirmwareStatusNotification", { status }, now, isTriggered);
    },
};

export const HANDLERS = { TriggerMessage: triggerMessage };
