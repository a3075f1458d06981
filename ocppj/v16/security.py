"""The messages that "Improved security for OCPP 1.6-J" (security whitepaper, edition 2, §5) adds to OCPP 1.6."""

from typing import Annotated

from msgspec import Meta

from ocppj.messages import DateTime, Integer, Request, Response, Seconds, at_least
from ocppj.v16.datatypes import PEM, CertificateHashDataType, CiString50, CiString255, FirmwareType, LogParametersType
from ocppj.v16.enums import (
    Action,
    CertificateSignedStatusEnumType,
    CertificateStatusEnumType,
    CertificateUseEnumType,
    DeleteCertificateStatusEnumType,
    FirmwareStatusEnumType,
    GenericStatusEnumType,
    GetInstalledCertificateStatusEnumType,
    LogEnumType,
    LogStatusEnumType,
    MessageTriggerEnumType,
    TriggerMessageStatusEnumType,
    UpdateFirmwareStatusEnumType,
    UploadLogStatusEnumType,
)


class CertificateSignedResponse(Response):
    """CertificateSigned.conf (security whitepaper §5.2), sent by the Charge Point."""

    action = Action.CertificateSigned

    status: CertificateSignedStatusEnumType
    """Whether certificate signing has been accepted, otherwise Rejected."""


class CertificateSignedRequest(Request):
    """CertificateSigned.req (security whitepaper §5.1), sent by the Central System."""

    action = Action.CertificateSigned
    response = CertificateSignedResponse

    certificate_chain: Annotated[str, Meta(max_length=10000)]
    """The signed PEM encoded X.509 certificates, sub CAs included; see also CertificateSignedMaxChainSize of the
    Charge Point."""


class DeleteCertificateResponse(Response):
    """DeleteCertificate.conf (security whitepaper §5.4), sent by the Charge Point."""

    action = Action.DeleteCertificate

    status: DeleteCertificateStatusEnumType
    """Whether the Charge Point can process the request."""


class DeleteCertificateRequest(Request):
    """DeleteCertificate.req (security whitepaper §5.3), sent by the Central System."""

    action = Action.DeleteCertificate
    response = DeleteCertificateResponse

    certificate_hash_data: CertificateHashDataType
    """The certificate of which deletion is requested."""


class ExtendedTriggerMessageResponse(Response):
    """ExtendedTriggerMessage.conf (security whitepaper §5.6), sent by the Charge Point."""

    action = Action.ExtendedTriggerMessage

    status: TriggerMessageStatusEnumType
    """Whether the Charge Point will send the requested notification or not."""


class ExtendedTriggerMessageRequest(Request):
    """ExtendedTriggerMessage.req (security whitepaper §5.5), sent by the Central System."""

    action = Action.ExtendedTriggerMessage
    response = ExtendedTriggerMessageResponse

    requested_message: MessageTriggerEnumType
    """Type of the message to be triggered."""
    connector_id: Annotated[Integer, at_least(1)] | None = None
    """Only filled in when the request applies to a specific connector, > 0."""


class GetInstalledCertificateIdsResponse(Response):
    """GetInstalledCertificateIds.conf (security whitepaper §5.8), sent by the Charge Point."""

    action = Action.GetInstalledCertificateIds

    status: GetInstalledCertificateStatusEnumType
    """Whether the Charge Point can process the request."""
    certificate_hash_data: Annotated[list[CertificateHashDataType], Meta(min_length=1)] | None = None
    """The certificate information of each available certificate; absent where there is none."""


class GetInstalledCertificateIdsRequest(Request):
    """GetInstalledCertificateIds.req (security whitepaper §5.7), sent by the Central System."""

    action = Action.GetInstalledCertificateIds
    response = GetInstalledCertificateIdsResponse

    certificate_type: CertificateUseEnumType
    """The type of certificates requested."""


class GetLogResponse(Response):
    """GetLog.conf (security whitepaper §5.10), sent by the Charge Point."""

    action = Action.GetLog

    status: LogStatusEnumType
    """Whether the Charge Point was able to accept the request."""
    filename: CiString255 | None = None
    """Name of the log file that will be uploaded; absent where no logging information is available."""


class GetLogRequest(Request):
    """GetLog.req (security whitepaper §5.9), sent by the Central System."""

    action = Action.GetLog
    response = GetLogResponse

    log_type: LogEnumType
    """The type of log file that the Charge Point should send."""
    request_id: Integer
    """The id of this request; LogStatusNotification names it."""
    log: LogParametersType
    """The requested log and the location to which it should be sent."""
    retries: Annotated[Integer, at_least(0)] | None = None
    """How many times the Charge Point must try to upload the log before giving up; absent: up to it."""
    retry_interval: Annotated[Seconds, at_least(0)] | None = None
    """Seconds after which a retry may be attempted; absent: up to the Charge Point."""


class InstallCertificateResponse(Response):
    """InstallCertificate.conf (security whitepaper §5.12), sent by the Charge Point."""

    action = Action.InstallCertificate

    status: CertificateStatusEnumType
    """Whether the installation was successful."""


class InstallCertificateRequest(Request):
    """InstallCertificate.req (security whitepaper §5.11), sent by the Central System."""

    action = Action.InstallCertificate
    response = InstallCertificateResponse

    certificate_type: CertificateUseEnumType
    """The certificate type that is sent."""
    certificate: PEM
    """A PEM encoded X.509 certificate."""


class LogStatusNotificationResponse(Response):
    """LogStatusNotification.conf (security whitepaper §5.14), sent by the Central System. No fields."""

    action = Action.LogStatusNotification


class LogStatusNotificationRequest(Request):
    """LogStatusNotification.req (security whitepaper §5.13), sent by the Charge Point."""

    action = Action.LogStatusNotification
    response = LogStatusNotificationResponse

    status: UploadLogStatusEnumType
    """The status of the log upload."""
    request_id: Integer | None = None
    """The request id of the GetLog.req that started this log upload."""


class SecurityEventNotificationResponse(Response):
    """SecurityEventNotification.conf (security whitepaper §5.16), sent by the Central System. No fields."""

    action = Action.SecurityEventNotification


class SecurityEventNotificationRequest(Request):
    """SecurityEventNotification.req (security whitepaper §5.15), sent by the Charge Point."""

    action = Action.SecurityEventNotification
    response = SecurityEventNotificationResponse

    type: CiString50
    """Type of the security event; the known ones are in the whitepaper's §8."""
    timestamp: DateTime | None
    """When the event occurred; ``None`` only where a charge point sent none that can be read."""
    tech_info: CiString255 | None = None
    """Additional information about the occurred security event."""


class SignCertificateResponse(Response):
    """SignCertificate.conf (security whitepaper §5.18), sent by the Central System."""

    action = Action.SignCertificate

    status: GenericStatusEnumType
    """Whether the Central System can process the request."""


class SignCertificateRequest(Request):
    """SignCertificate.req (security whitepaper §5.17), sent by the Charge Point."""

    action = Action.SignCertificate
    response = SignCertificateResponse

    csr: PEM
    """The public key in a Certificate Signing Request (RFC 2986), PEM encoded."""


class SignedFirmwareStatusNotificationResponse(Response):
    """SignedFirmwareStatusNotification.conf (security whitepaper §5.20), sent by the Central System. No fields."""

    action = Action.SignedFirmwareStatusNotification


class SignedFirmwareStatusNotificationRequest(Request):
    """SignedFirmwareStatusNotification.req (security whitepaper §5.19), sent by the Charge Point."""

    action = Action.SignedFirmwareStatusNotification
    response = SignedFirmwareStatusNotificationResponse

    status: FirmwareStatusEnumType
    """The progress status of the firmware installation."""
    request_id: Integer | None = None
    """Id of the SignedUpdateFirmware.req that started this update; absent only if triggered while none is ongoing."""


class SignedUpdateFirmwareResponse(Response):
    """SignedUpdateFirmware.conf (security whitepaper §5.22), sent by the Charge Point."""

    action = Action.SignedUpdateFirmware

    status: UpdateFirmwareStatusEnumType
    """Whether the Charge Point was able to accept the request."""


class SignedUpdateFirmwareRequest(Request):
    """SignedUpdateFirmware.req (security whitepaper §5.21), sent by the Central System."""

    action = Action.SignedUpdateFirmware
    response = SignedUpdateFirmwareResponse

    request_id: Integer
    """The id of this request; SignedFirmwareStatusNotification names it."""
    firmware: FirmwareType
    """The firmware to be updated on the Charge Point."""
    retries: Annotated[Integer, at_least(0)] | None = None
    """How many times the Charge Point must try to download the firmware before giving up; absent: up to it."""
    retry_interval: Annotated[Seconds, at_least(0)] | None = None
    """Seconds after which a retry may be attempted; absent: up to the Charge Point."""
