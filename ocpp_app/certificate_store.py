"""Root certificates on charge points: install, delete, list (security whitepaper M03, M04, M05).

command = install_certificate("CP001", CertificateUse.MANUFACTURER_ROOT, pem)

What is installed follows from the answers (``ocpp_app.certificate_rules``).
"""

from datetime import datetime
from typing import Any

from ocpp_app import certificates, commands
from ocpp_app.models import ChargePoint, Command, InstalledCertificate
from ocppj.v16 import (
    CertificateHashDataType,
    CertificateUseEnumType,
    DeleteCertificateRequest,
    GetInstalledCertificateIdsRequest,
    HashAlgorithmEnumType,
    InstallCertificateRequest,
)


def install_certificate(
    charge_point: str | ChargePoint, use: str, pem: str, *, expires_at: datetime | None = None, **asked: Any
) -> Command:
    """Ask a charge point to trust this root; its answer, and then its list, say what it has.

    Raises ``CertificateInvalid``, and what ``issue_command`` raises; ``asked`` is passed on to it.
    """
    certificates.load(pem)
    message = InstallCertificateRequest(certificate_type=CertificateUseEnumType(use), certificate=pem)
    command: Command = commands.issue_command(charge_point, message, expires_at=expires_at, **asked)
    return command


def delete_certificate(row: InstalledCertificate, *, expires_at: datetime | None = None, **asked: Any) -> Command:
    """Ask the charge point to delete it, by the hashes that it has told (M04.FR.07). Without any root of the central
    system a charge point trusts no central system any more."""
    data = CertificateHashDataType(
        hash_algorithm=HashAlgorithmEnumType(row.hash_algorithm),
        issuer_name_hash=row.issuer_name_hash,
        issuer_key_hash=row.issuer_key_hash,
        serial_number=row.serial_number,
    )
    message = DeleteCertificateRequest(certificate_hash_data=data)
    command: Command = commands.issue_command(row.charge_point, message, expires_at=expires_at, **asked)
    return command


def list_certificates(
    charge_point: str | ChargePoint, use: str, *, expires_at: datetime | None = None, **asked: Any
) -> Command:
    """Ask a charge point which roots of this use it has."""
    message = GetInstalledCertificateIdsRequest(certificate_type=CertificateUseEnumType(use))
    command: Command = commands.issue_command(charge_point, message, expires_at=expires_at, **asked)
    return command
