"""The 26 messages that a central system sends: one of each as usual, odd but allowed, and forbidden."""

import json
from dataclasses import dataclass
from typing import Any

from ocppj.assignments import words_of
from ocppj.documentation import describe
from ocppj.messages import Request, encode
from ocppj.v16 import PROTOCOL


@dataclass(frozen=True)
class Sent:
    """Payloads as on the wire.

    ``odd``: what a charge point may refuse, and nobody else. ``wrong``: what the message type forbids, at ``field``.
    ``answer``: what a charge point that is content says.
    """

    usual: str
    odd: str
    wrong: str
    field: str
    answer: str = '{"status":"Accepted"}'


HASH = '{"hashAlgorithm":"SHA256","issuerNameHash":"00ff","issuerKeyHash":"ff00","serialNumber":"1"}'
SCHEDULE = '{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16}]}'
PROFILE = (
    '{"chargingProfileId":7,"stackLevel":0,"chargingProfilePurpose":"%s","chargingProfileKind":"Relative",'
    f'"chargingSchedule":{SCHEDULE}}}'
)
FIRMWARE = '{"location":"%s","retrieveDateTime":"2031-01-01T00:00:00Z","signingCertificate":"%s","signature":"c2ln"}'
LONG = "x" * 20_000

ACTIONS: dict[str, Sent] = {
    "CancelReservation": Sent(
        '{"reservationId":1}', '{"reservationId":-2147483648}', '{"reservationId":"one"}', "reservationId"
    ),
    "CertificateSigned": Sent(
        '{"certificateChain":"-----BEGIN CERTIFICATE-----"}',
        '{"certificateChain":"no certificate at all"}',
        f'{{"certificateChain":"{LONG}"}}',
        "certificateChain",
    ),
    "ChangeAvailability": Sent(
        '{"connectorId":1,"type":"Operative"}',
        '{"connectorId":999,"type":"Inoperative"}',
        '{"connectorId":-1,"type":"Operative"}',
        "connectorId",
    ),
    "ChangeConfiguration": Sent(
        '{"key":"MeterValueSampleInterval","value":"60"}',
        '{"key":"NoSuchKey","value":"not a number"}',
        '{"key":"MeterValueSampleInterval"}',
        "value",
    ),
    "ClearCache": Sent("{}", "{}", '{"cache":"all"}', "cache"),
    "ClearChargingProfile": Sent(
        '{"id":7}',
        '{"id":-1,"connectorId":99,"chargingProfilePurpose":"TxProfile","stackLevel":99}',
        '{"chargingProfilePurpose":"Whatever"}',
        "chargingProfilePurpose",
    ),
    "DataTransfer": Sent(
        '{"vendorId":"com.example","messageId":"M","data":"x"}',
        '{"vendorId":"com.nobody","data":"{[ no JSON"}',
        f'{{"vendorId":"{LONG}"}}',
        "vendorId",
        '{"status":"Accepted","data":"y"}',
    ),
    "DeleteCertificate": Sent(
        f'{{"certificateHashData":{HASH}}}',
        '{"certificateHashData":{"hashAlgorithm":"SHA512","issuerNameHash":"","issuerKeyHash":"","serialNumber":""}}',
        f'{{"certificateHashData":{HASH.replace("SHA256", "MD5")}}}',
        "certificateHashData.hashAlgorithm",
    ),
    "ExtendedTriggerMessage": Sent(
        '{"requestedMessage":"Heartbeat"}',
        '{"requestedMessage":"MeterValues","connectorId":99}',
        '{"requestedMessage":"StatusNotification","connectorId":0}',
        "connectorId",
    ),
    "GetCompositeSchedule": Sent(
        '{"connectorId":1,"duration":3600}',
        '{"connectorId":99,"duration":0,"chargingRateUnit":"W"}',
        '{"connectorId":1,"duration":-1}',
        "duration",
        f'{{"status":"Accepted","connectorId":1,"scheduleStart":"2025-01-01T00:00:00Z","chargingSchedule":{SCHEDULE}}}',
    ),
    "GetConfiguration": Sent(
        '{"key":["HeartbeatInterval"]}',
        '{"key":["NoSuchKey","NoSuchKey"]}',
        f'{{"key":["{"k" * 51}"]}}',
        "key[0]",
        '{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"3600"}]}',
    ),
    "GetDiagnostics": Sent(
        '{"location":"ftp://example.com/"}',
        '{"location":"nowhere://","startTime":"2031-01-01T00:00:00Z","stopTime":"2001-01-01T00:00:00Z"}',
        '{"location":"ftp://example.com/","retries":-1}',
        "retries",
        '{"fileName":"diagnostics.zip"}',
    ),
    "GetInstalledCertificateIds": Sent(
        '{"certificateType":"CentralSystemRootCertificate"}',
        '{"certificateType":"ManufacturerRootCertificate"}',
        '{"certificateType":"V2GRootCertificate"}',
        "certificateType",
        f'{{"status":"Accepted","certificateHashData":[{HASH}]}}',
    ),
    "GetLocalListVersion": Sent("{}", "{}", '{"listVersion":1}', "listVersion", '{"listVersion":4}'),
    "GetLog": Sent(
        '{"logType":"SecurityLog","requestId":1,"log":{"remoteLocation":"ftp://example.com/"}}',
        '{"logType":"DiagnosticsLog","requestId":-1,"log":{"remoteLocation":""}}',
        '{"logType":"SecurityLog","requestId":1,"log":{}}',
        "log.remoteLocation",
        '{"status":"Accepted","filename":"log.gz"}',
    ),
    "InstallCertificate": Sent(
        '{"certificateType":"CentralSystemRootCertificate","certificate":"-----BEGIN CERTIFICATE-----"}',
        '{"certificateType":"ManufacturerRootCertificate","certificate":"no certificate at all"}',
        f'{{"certificateType":"ManufacturerRootCertificate","certificate":"{LONG}"}}',
        "certificate",
    ),
    "RemoteStartTransaction": Sent(
        '{"idTag":"TAG001","connectorId":1}',
        f'{{"idTag":"NOBODY","connectorId":99,"chargingProfile":{PROFILE % "TxProfile"}}}',
        '{"idTag":"A tag of more than 20","connectorId":1}',
        "idTag",
    ),
    "RemoteStopTransaction": Sent(
        '{"transactionId":1}', '{"transactionId":-1}', '{"transactionId":1.5}', "transactionId"
    ),
    "ReserveNow": Sent(
        '{"connectorId":1,"expiryDate":"2031-01-01T00:00:00Z","idTag":"TAG001","reservationId":1}',
        '{"connectorId":99,"expiryDate":"2001-01-01T00:00:00Z","idTag":"NOBODY","reservationId":-1}',
        '{"connectorId":1,"expiryDate":"tomorrow","idTag":"TAG001","reservationId":1}',
        "expiryDate",
    ),
    "Reset": Sent('{"type":"Soft"}', '{"type":"Hard"}', '{"type":"Warm"}', "type"),
    "SendLocalList": Sent(
        '{"listVersion":5,"updateType":"Full","localAuthorizationList":[{"idTag":"T","idTagInfo":{"status":"Accepted"}}]}',
        '{"listVersion":1,"updateType":"Differential","localAuthorizationList":[{"idTag":"NOBODY"}]}',
        '{"listVersion":0,"updateType":"Full"}',
        "listVersion",
    ),
    "SetChargingProfile": Sent(
        f'{{"connectorId":1,"csChargingProfiles":{PROFILE % "TxDefaultProfile"}}}',
        f'{{"connectorId":99,"csChargingProfiles":{PROFILE % "ChargePointMaxProfile"}}}',
        f'{{"connectorId":1,"csChargingProfiles":{(PROFILE % "TxProfile").replace(":0,", ":-1,", 1)}}}',
        "csChargingProfiles.stackLevel",
    ),
    "SignedUpdateFirmware": Sent(
        f'{{"requestId":1,"firmware":{FIRMWARE % ("ftp://example.com/f", "-----BEGIN CERTIFICATE-----")}}}',
        f'{{"requestId":-1,"firmware":{FIRMWARE % ("nowhere://", "no certificate at all")}}}',
        f'{{"requestId":1,"firmware":{FIRMWARE % ("ftp://example.com/f", LONG)}}}',
        "firmware.signingCertificate",
    ),
    "TriggerMessage": Sent(
        '{"requestedMessage":"StatusNotification","connectorId":1}',
        '{"requestedMessage":"MeterValues","connectorId":99}',
        '{"requestedMessage":"Authorize"}',
        "requestedMessage",
    ),
    "UnlockConnector": Sent(
        '{"connectorId":1}', '{"connectorId":99}', '{"connectorId":0}', "connectorId", '{"status":"Unlocked"}'
    ),
    "UpdateFirmware": Sent(
        '{"location":"ftp://example.com/f","retrieveDate":"2031-01-01T00:00:00Z"}',
        '{"location":"nowhere://","retrieveDate":"2001-01-01T00:00:00Z","retries":99,"retryInterval":0}',
        '{"location":"ftp://example.com/f"}',
        "retrieveDate",
        "{}",
    ),
}


def message(action: str, payload: str) -> Request:
    """The typed message; raises ``PayloadError`` where its type forbids it."""
    decoded: Any = PROTOCOL.decode_request(action, payload.encode(), strict=True).message
    encode(decoded)  # the limits of what we send
    return decoded  # type: ignore[no-any-return]


def answers(action: str) -> dict[str, str]:
    """An answer with each word that the response type knows; the one answer there is where it knows none."""
    usual = json.loads(ACTIONS[action].answer)
    if "status" not in usual:
        return {"": ACTIONS[action].answer}
    words = next(words_of(field.enum) for field in describe(PROTOCOL.actions[action].response) if field.enum)
    return {word: json.dumps({**usual, "status": word}) for word in words}
