"""The security whitepaper's commands: certificates (A02, M03-M05), logs (N01), signed firmware (L01), triggers."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ocppj.messages import Request
from ocppj.v16 import (
    Action,
    CertificateSignedRequest,
    CertificateSignedResponse,
    CertificateSignedStatusEnumType,
    CertificateUseEnumType,
    DeleteCertificateRequest,
    DeleteCertificateResponse,
    ExtendedTriggerMessageRequest,
    ExtendedTriggerMessageResponse,
    GetInstalledCertificateIdsRequest,
    GetInstalledCertificateIdsResponse,
    GetInstalledCertificateStatusEnumType,
    GetLogRequest,
    GetLogResponse,
    InstallCertificateRequest,
    InstallCertificateResponse,
    LogStatusEnumType,
    LogStatusNotificationRequest,
    MessageTrigger,
    MessageTriggerEnumType,
    SignCertificateRequest,
    SignedFirmwareStatusNotificationRequest,
    SignedUpdateFirmwareRequest,
    SignedUpdateFirmwareResponse,
    TriggerMessageRequest,
    TriggerMessageStatus,
    TriggerMessageStatusEnumType,
    UpdateFirmwareStatusEnumType,
    UploadLogStatusEnumType,
)
from simulator.commands import remote_trigger
from simulator.commands.reply import Handler, Reply
from simulator.maintenance import status_to_trigger

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def certificate_signed(charge_point: "ChargePoint", request: CertificateSignedRequest, now: float) -> Reply:
    """Take the certificate that was asked for, or discard it (A02.FR.06, A02.FR.07)."""
    if charge_point.certificates.take_own(request.certificate_chain, charge_point.clock.utc(now)):
        return Reply(CertificateSignedResponse(status=CertificateSignedStatusEnumType.Accepted))
    return Reply(
        CertificateSignedResponse(status=CertificateSignedStatusEnumType.Rejected),
        lambda: charge_point.report_security_event("InvalidChargePointCertificate", now),
    )


def install_certificate(charge_point: "ChargePoint", request: InstallCertificateRequest, now: float) -> Reply:
    """Trust another root (M05)."""
    use, most = CertificateUseEnumType(request.certificate_type), charge_point.configuration.integer(STORE)
    status = charge_point.certificates.install(use, request.certificate, charge_point.clock.utc(now), most)
    return Reply(InstallCertificateResponse(status=status))


def delete_certificate(charge_point: "ChargePoint", request: DeleteCertificateRequest, _now: float) -> Reply:
    """Trust a root no more (M04)."""
    status = charge_point.certificates.delete(request.certificate_hash_data)
    return Reply(DeleteCertificateResponse(status=status))


def get_installed_certificate_ids(
    charge_point: "ChargePoint", request: GetInstalledCertificateIdsRequest, _now: float
) -> Reply:
    """The roots of one use (M03)."""
    found = charge_point.certificates.listed(CertificateUseEnumType(request.certificate_type))
    if not found:
        return Reply(GetInstalledCertificateIdsResponse(status=GetInstalledCertificateStatusEnumType.NotFound))
    return Reply(
        GetInstalledCertificateIdsResponse(
            status=GetInstalledCertificateStatusEnumType.Accepted, certificate_hash_data=found
        )
    )


def get_log(charge_point: "ChargePoint", request: GetLogRequest, now: float) -> Reply:
    """Upload a log; one that is under way is given up for it (N01.FR.11)."""
    file_name, is_instead = charge_point.maintenance.get_log(request, now)
    status = LogStatusEnumType.AcceptedCanceled if is_instead else LogStatusEnumType.Accepted
    return Reply(GetLogResponse(status=status, filename=file_name))


def signed_update_firmware(charge_point: "ChargePoint", request: SignedUpdateFirmwareRequest, now: float) -> Reply:
    """Fetch, verify and install new firmware; only of a manufacturer whose root is installed (L01)."""
    if not charge_point.certificates.trusts(request.firmware.signing_certificate, charge_point.clock.utc(now)):
        return Reply(
            SignedUpdateFirmwareResponse(status=UpdateFirmwareStatusEnumType.InvalidCertificate),
            lambda: charge_point.report_security_event("InvalidFirmwareSigningCertificate", now),
        )
    is_instead = charge_point.maintenance.signed_update_firmware(request, now)
    accepted = UpdateFirmwareStatusEnumType.Accepted
    status = UpdateFirmwareStatusEnumType.AcceptedCanceled if is_instead else accepted
    return Reply(SignedUpdateFirmwareResponse(status=status))


def extended_trigger_message(charge_point: "ChargePoint", request: ExtendedTriggerMessageRequest, now: float) -> Reply:
    """Send a message that is not due; the response goes first (whitepaper §5.5)."""
    own = _SENDERS.get(MessageTriggerEnumType(request.requested_message))
    if own is not None:
        accepted = ExtendedTriggerMessageResponse(status=TriggerMessageStatusEnumType.Accepted)
        return Reply(accepted, lambda: charge_point.request(own(charge_point, now), now, is_triggered=True))
    # The others are those of OCPP 1.6 itself.
    same = TriggerMessageRequest(
        requested_message=MessageTrigger(str(request.requested_message)), connector_id=request.connector_id
    )
    reply = remote_trigger.trigger_message(charge_point, same, now)
    is_accepted = getattr(reply.response, "status", None) == TriggerMessageStatus.Accepted
    status = TriggerMessageStatusEnumType.Accepted if is_accepted else TriggerMessageStatusEnumType.Rejected
    return Reply(ExtendedTriggerMessageResponse(status=status), reply.after)


def _log_status(charge_point: "ChargePoint", _now: float) -> Request:
    status, request_id = charge_point.maintenance.log_status, charge_point.maintenance.log_request_id
    if status != UploadLogStatusEnumType.Uploading:
        return LogStatusNotificationRequest(status=UploadLogStatusEnumType.Idle)
    return LogStatusNotificationRequest(status=UploadLogStatusEnumType.Uploading, request_id=request_id)


def _firmware_status(charge_point: "ChargePoint", _now: float) -> Request:
    status = status_to_trigger(charge_point.maintenance.firmware_status)
    request_id = None if status == "Idle" else charge_point.maintenance.update_request_id
    return SignedFirmwareStatusNotificationRequest(status=status, request_id=request_id)  # type: ignore[arg-type]


def _sign_certificate(charge_point: "ChargePoint", _now: float) -> Request:
    organisation = charge_point.configuration.value("CpoName")
    csr = charge_point.certificates.make_request(organisation, charge_point.specification.identity)
    return SignCertificateRequest(csr=csr)


STORE = "CertificateStoreMaxLength"

_SENDERS: Mapping[str, Callable[["ChargePoint", float], Request]] = {
    MessageTriggerEnumType.LogStatusNotification: _log_status,
    MessageTriggerEnumType.FirmwareStatusNotification: _firmware_status,
    MessageTriggerEnumType.SignChargePointCertificate: _sign_certificate,
}

HANDLERS: Mapping[str, Handler] = {
    Action.CertificateSigned: certificate_signed,
    Action.DeleteCertificate: delete_certificate,
    Action.ExtendedTriggerMessage: extended_trigger_message,
    Action.GetInstalledCertificateIds: get_installed_certificate_ids,
    Action.GetLog: get_log,
    Action.InstallCertificate: install_certificate,
    Action.SignedUpdateFirmware: signed_update_firmware,
}
