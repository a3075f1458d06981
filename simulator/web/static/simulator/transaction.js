/* A transaction as the charge point knows it. Energies are readings of the meter's register, times its own clock's. */

export const UNKNOWN_TRANSACTION_ID = -1; // errata 3.18: what is sent where StartTransaction.req could not be delivered

export function newTransaction({ connectorId, idTag, parentIdTag, meterStartWh, startedAt, reservationId }) {
    return {
        connectorId, idTag, parentIdTag, meterStartWh, startedAt, reservationId,
        transactionId: null, // what the central system has given it; null until its StartTransaction.conf has come
        meterStopWh: null,
        reason: null,
        isDenied: false, // no energy beyond MaxEnergyOnInvalidId (OCPP 1.6 §4.8)
        isStopConfirmed: false,
        sampleDue: null,
        data: [], // what goes into StopTransaction.req as transactionData
    };
}
