/* What a charge point makes of an answer, of a CALLERROR, of no answer at all. */

/** The central system has answered. */
export function answered(chargePoint, { action, context, response }, now) {
    if (context?.kind === "kept") {
        chargePoint.outbox.confirm();
        confirmed(chargePoint, context.kept, response, now);
        return;
    }
    switch (action) {
        case "BootNotification": booted(chargePoint, response, now); break;
        case "Heartbeat": setClock(chargePoint, response, now); break;
        case "Authorize":
            learn(chargePoint, context.presentation.idTag, response.idTagInfo, now);
            chargePoint.reader.decide(context.presentation, response.idTagInfo, now);
    }
}

/** A CALLERROR came, or nothing in time. */
export function failed(chargePoint, { action, context, code }, now) {
    if (code === "SecurityError" && chargePoint.registration.isAccepted) {
        // OCPP-J errata 3.8: the central system has not accepted this charge point, or does not any more.
        chargePoint.registration.failed(now);
    }
    if (context?.kind === "kept") {
        const { configuration } = chargePoint;
        const given = chargePoint.outbox.fail(now, {
            attempts: configuration.integer("TransactionMessageAttempts"),
            retryIntervalS: configuration.integer("TransactionMessageRetryInterval"),
        });
        if (given !== null) chargePoint.log({ event: "discarded", action });
    } else if (context?.kind === "presented") {
        chargePoint.reader.decideLocally(context.presentation, now, false);
    } else if (action === "BootNotification") {
        chargePoint.registration.failed(now);
    }
}

/** The connection ended first: nobody has failed, and the answer may have been on its way. */
export function unanswered(chargePoint, { action, payload, context }, now) {
    if (context?.kind === "kept") chargePoint.outbox.giveBack();
    else if (context?.kind === "presented") chargePoint.reader.decideLocally(context.presentation, now, false);
    else if (action === "BootNotification") chargePoint.registration.bootDue = now;
    else if (action === "StatusNotification") chargePoint.forgetReported(payload.connectorId);
}

function booted(chargePoint, response, now) {
    chargePoint.registration.answered(response, now);
    setClock(chargePoint, response, now);
    if (!chargePoint.registration.isAccepted) return;
    if (response.interval > 0) chargePoint.configuration.set("HeartbeatInterval", response.interval);
    for (const connector of [null, ...chargePoint.connectors]) chargePoint.reportStatus(connector, now); // errata 3.22
}

function setClock(chargePoint, response, now) {
    const utcMs = Date.parse(response.currentTime);
    if (!Number.isNaN(utcMs)) chargePoint.setClock(utcMs, now);
}

function confirmed(chargePoint, kept, response, now) {
    const { action, transaction, payload } = kept;
    if (transaction === null) return;
    if (action === "StartTransaction") {
        transaction.transactionId = response.transactionId;
        const info = response.idTagInfo ?? { status: "Invalid" };
        learn(chargePoint, transaction.idTag, info, now);
        if (info.status !== "Accepted") chargePoint.charging.deny(transaction, now);
    } else if (action === "StopTransaction") {
        transaction.isStopConfirmed = true;
        if (response.idTagInfo && payload.idTag) learn(chargePoint, payload.idTag, response.idTagInfo, now);
    }
}

function learn(chargePoint, idTag, info, now) {
    if (!chargePoint.reader.learn(idTag, info, now)) chargePoint.reportLocalListConflict(now);
}
