/* The Core profile's commands (OCPP 1.6 §5). */

import { gettext, interpolate } from "../words.js";

/** Operative or Inoperative, for one connector or for all (§5.2). */
function changeAvailability(chargePoint, { connectorId, type }, now) {
    const connector = chargePoint.charging.connector(connectorId);
    if (connectorId !== 0 && connector === null) return { response: { status: "Rejected" } };
    const connectors = connectorId === 0 ? chargePoint.connectors : [connector];
    const isOperative = type === "Operative";
    const isBusy = connectors.some((one) => one.transaction !== null);
    const status = isBusy && !isOperative ? "Scheduled" : "Accepted";
    const note = status === "Scheduled" ? gettext("It takes effect when the transaction has ended.") : "";
    return { response: { status }, note, after: () => {
        for (const one of connectors) one.isOperative = isOperative;
        if (connectorId === 0) chargePoint.isOperative = isOperative;
        chargePoint.charging.settle(now);
    } };
}

/** Set a key (§5.3). */
function changeConfiguration(chargePoint, { key, value }, now) {
    const { configuration, specification } = chargePoint;
    const isProfile = key.toLowerCase() === "securityprofile";
    if (isProfile && !mayTakeProfile(configuration, specification, Number(value))) {
        return { response: { status: "Rejected" }, note: gettext("It has no credentials, or no wss:// endpoint, for that.") };
    }
    const status = configuration.change(key, value);
    const shown = configuration.get(key)?.isSecret ? gettext("a new secret") : value;
    const note = status === "Accepted" || status === "RebootRequired" ? interpolate("%s = %s", [key, shown]) : key;
    const after = status === "Accepted" ? () => chargePoint.configurationChanged(key, now) : undefined;
    return { response: { status }, note, after };
}

/** A05: never downwards, 1 and 2 need a password, 2 needs TLS. */
function mayTakeProfile(configuration, { password, endpoint }, profile) {
    const hasPassword = Boolean(password || configuration.value("AuthorizationKey"));
    if (profile < configuration.integer("SecurityProfile")) return false;
    return (profile < 1 || hasPassword) && (profile < 2 || endpoint.startsWith("wss:"));
}

/** Forget the authorization cache (§5.4). */
function clearCache(chargePoint) {
    if (!chargePoint.configuration.boolean("AuthorizationCacheEnabled")) {
        return { response: { status: "Rejected" }, note: gettext("The cache is switched off.") }; // errata 3.23
    }
    const note = interpolate(gettext("%s tags forgotten."), [chargePoint.reader.cache.size]);
    chargePoint.reader.cache.clear();
    return { response: { status: "Accepted" }, note };
}

/** There is no vendor whose messages it knows (§4.3). */
function dataTransfer(_chargePoint, { vendorId }) {
    return { response: { status: "UnknownVendorId" }, note: vendorId };
}

/** Read the named keys, or all (§5.8). */
function getConfiguration({ configuration }, { key = [] }) {
    if (!key.length) return { response: { configurationKey: [...configuration].map(keyValue) } };
    const names = key.slice(0, configuration.integer("GetConfigurationMaxKeys"));
    const known = names.map((name) => configuration.get(name)).filter((one) => one !== undefined);
    const unknownKey = names.filter((name) => configuration.get(name) === undefined);
    const response = {};
    if (known.length) response.configurationKey = known.map(keyValue);
    if (unknownKey.length) response.unknownKey = unknownKey;
    return { response, note: names.join(", ") };
}

function keyValue({ name, isReadonly = false, isSecret, value }) {
    return { key: name, readonly: isReadonly, ...(isSecret ? {} : { value }) };
}

/** Start for a tag that the central system names (§5.11). */
function remoteStartTransaction(chargePoint, request, now) {
    const connector = connectorToStart(chargePoint, request);
    if (connector === undefined) {
        return { response: { status: "Rejected" }, note: gettext("No connector is free for it.") };
    }
    if (!takesProfile(chargePoint, connector, request.chargingProfile, now)) {
        return { response: { status: "Rejected" }, note: gettext("Its charging profile cannot be used.") };
    }
    const note = connector.isPlugged
        ? interpolate(gettext("Connector %s starts for %s."), [connector.connectorId, request.idTag])
        : interpolate(gettext("Connector %s waits for the cable of %s."), [connector.connectorId, request.idTag]);
    return { response: { status: "Accepted" }, note, after: () => {
        if (chargePoint.configuration.boolean("AuthorizeRemoteTxRequests")) {
            chargePoint.presentTag(request.idTag, connector, now);
        } else {
            const parentIdTag = chargePoint.reader.known(request.idTag)?.parentIdTag;
            chargePoint.charging.authorize(connector, request.idTag, parentIdTag, now);
        }
    } };
}

/** Without a connector id the charge point chooses: first where a car is waiting. */
function connectorToStart(chargePoint, { connectorId, idTag }) {
    if (!chargePoint.registration.isAccepted || chargePoint.isResetting) return undefined; // §4.2: not while Pending
    const parentIdTag = chargePoint.reader.known(idTag)?.parentIdTag;
    return chargePoint.connectors
        .filter((one) =>
            [undefined, one.connectorId].includes(connectorId) &&
            one.isStartable && one.authorization === null && one.transaction === null &&
            chargePoint.charging.reservations.mayUse(one, idTag, parentIdTag))
        .sort((one, other) => Number(other.isPlugged) - Number(one.isPlugged) || one.connectorId - other.connectorId)[0];
}

/** Errata 3.41: a profile that comes along is a TxProfile and has no transaction id yet. */
function takesProfile(chargePoint, connector, profile, now) {
    if (profile === undefined) return true;
    if (profile.chargingProfilePurpose !== "TxProfile" || profile.transactionId !== undefined) return false;
    return chargePoint.profiles.set(connector.connectorId, profile, chargePoint.clock.utc(now)) === "Accepted";
}

/** Stop a transaction that is going on here (§5.12). */
function remoteStopTransaction(chargePoint, { transactionId }, now) {
    const connector = chargePoint.charging.byTransaction(transactionId);
    if (connector === null || !chargePoint.registration.isAccepted) {
        return { response: { status: "Rejected" }, note: interpolate(gettext("Transaction %s is not going on here."), [transactionId]) };
    }
    const note = interpolate(gettext("Transaction %s is stopped."), [transactionId]);
    return { response: { status: "Accepted" }, note, after: () => chargePoint.charging.stop(connector, "Remote", now) };
}

/** Restart, softly or not (§5.14, errata 3.36). */
function reset(chargePoint, { type }, now) {
    const isHard = type === "Hard";
    return {
        response: { status: "Accepted" },
        note: type,
        after: () => chargePoint.beginReset(isHard ? "HardReset" : "SoftReset", now, isHard),
    };
}

/** Let the cable go; a transaction is finished first (§5.18, errata 3.85). */
function unlockConnector(chargePoint, { connectorId }, now) {
    const connector = chargePoint.charging.connector(connectorId);
    if (connector === null) return { response: { status: "NotSupported" } };
    return { response: { status: "Unlocked" }, after: () => {
        chargePoint.charging.stop(connector, "UnlockCommand", now);
        connector.isLocked = false;
    } };
}

export const HANDLERS = {
    ChangeAvailability: changeAvailability,
    ChangeConfiguration: changeConfiguration,
    ClearCache: clearCache,
    DataTransfer: dataTransfer,
    GetConfiguration: getConfiguration,
    RemoteStartTransaction: remoteStartTransaction,
    RemoteStopTransaction: remoteStopTransaction,
    Reset: reset,
    UnlockConnector: unlockConnector,
};
