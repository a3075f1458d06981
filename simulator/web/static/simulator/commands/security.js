/* The commands of "Improved security for OCPP 1.6-J" (security whitepaper §5). */

import { isPossible } from "../certificate_request.js";
import { read } from "../certificates.js";
import { fromPem } from "../der.js";
import { gettext } from "../words.js";
import { COMMON, trigger } from "./remote_trigger.js";

/** The certificate that was asked for (A02, A03). */
function certificateSigned({ certificates }, { certificateChain }) {
    const status = certificates.sign(certificateChain);
    const note = status === "Accepted" ? certificates.own.subject : gettext("It is not for the key of a request of ours.");
    return { response: { status }, note };
}

/** Remove a root certificate (M04). */
function deleteCertificate({ certificates }, { certificateHashData }) {
    return { response: { status: certificates.delete(certificateHashData) }, note: certificateHashData.serialNumber };
}

/** Send a message that is not due; the response goes first. */
function extendedTriggerMessage(chargePoint, { requestedMessage, connectorId }, now) {
    if (requestedMessage === "SignChargePointCertificate" && !isPossible()) {
        const note = gettext("This page has no cryptography: open it over https, or on this machine.");
        return { response: { status: "NotImplemented" }, note };
    }
    return trigger(chargePoint, SENDERS[requestedMessage], requestedMessage, connectorId, now);
}

/** The root certificates of a kind (M03). */
function getInstalledCertificateIds({ certificates }, { certificateType }) {
    const found = certificates.installed.filter((one) => one.type === certificateType);
    if (!found.length) return { response: { status: "NotFound" }, note: certificateType };
    return { response: { status: "Accepted", certificateHashData: found.map((one) => one.hashes) }, note: certificateType };
}

/** Upload a log (N01). */
function getLog({ maintenance }, request, now) {
    const status = maintenance.isUploading ? "AcceptedCanceled" : "Accepted";
    const filename = maintenance.getLog(request, now);
    return { response: { status, filename }, note: `${filename} → ${request.log.remoteLocation}` };
}

/** Install a root certificate (M05). */
function installCertificate({ certificates }, { certificateType, certificate }) {
    const status = certificates.install(certificateType, certificate);
    const note = status === "Accepted" ? certificates.installed.at(-1).subject : gettext("It cannot be read, or there is no room.");
    return { response: { status }, note };
}

/** Fetch and install firmware whose signature is right (L01). */
function signedUpdateFirmware({ maintenance }, request) {
    try {
        read(fromPem(request.firmware.signingCertificate)[0]);
    } catch {
        return { response: { status: "InvalidCertificate" } };
    }
    const status = maintenance.isUpdating ? "AcceptedCanceled" : "Accepted";
    maintenance.signedUpdateFirmware(request);
    return { response: { status }, note: request.firmware.location };
}

const isTriggered = { isTriggered: true };

const SENDERS = {
    ...COMMON,
    FirmwareStatusNotification: (chargePoint, _connector, now) => {
        const { isUpdating, firmwareStatus, requestId } = chargePoint.maintenance;
        const payload = isUpdating && requestId !== undefined ? { status: firmwareStatus, requestId } : { status: "Idle" };
        chargePoint.request("SignedFirmwareStatusNotification", payload, now, isTriggered);
    },
    LogStatusNotification: (chargePoint, _connector, now) => {
        const { isUploading, uploadRequestId: requestId } = chargePoint.maintenance;
        const payload = isUploading && requestId !== undefined ? { status: "Uploading", requestId } : { status: "Idle" };
        chargePoint.request("LogStatusNotification", payload, now, isTriggered);
    },
    SignChargePointCertificate: (chargePoint) => { chargePoint.certificateWanted = true; },
};

export const HANDLERS = {
    CertificateSigned: certificateSigned,
    DeleteCertificate: deleteCertificate,
    ExtendedTriggerMessage: extendedTriggerMessage,
    GetInstalledCertificateIds: getInstalledCertificateIds,
    GetLog: getLog,
    InstallCertificate: installCertificate,
    SignedUpdateFirmware: signedUpdateFirmware,
};
