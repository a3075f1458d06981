/* The Firmware Management profile's commands (OCPP 1.6 §5.9, §5.19). */

/** Upload what is known about the last days (§5.9). */
function getDiagnostics(chargePoint, request, now) {
    const fileName = chargePoint.maintenance.getDiagnostics(request, now);
    return { response: { fileName }, note: `${fileName} → ${request.location}` };
}

/** Fetch and install new firmware (§5.19). */
function updateFirmware(chargePoint, request) {
    chargePoint.maintenance.updateFirmware(request);
    return { response: {}, note: request.location };
}

export const HANDLERS = { GetDiagnostics: getDiagnostics, UpdateFirmware: updateFirmware };
