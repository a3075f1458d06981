"""X.509 as OCPP uses it: the hashes that name an installed certificate, and what a certificate says of itself.

Security whitepaper §6.1; the hashes are those of OCSP (RFC 6960 §4.1.1): of the issuer's name in DER, and of the bits
of the issuer's public key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from ocpp_app.errors import CertificateInvalid
from ocppj.v16 import HashAlgorithmEnumType

ALGORITHMS: Mapping[str, hashes.HashAlgorithm] = {
    HashAlgorithmEnumType.SHA256: hashes.SHA256(),
    HashAlgorithmEnumType.SHA384: hashes.SHA384(),
    HashAlgorithmEnumType.SHA512: hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself."""

    subject: str
    serial_number: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class HashData:
    """What names a certificate on a charge point, as CertificateHashDataType (whitepaper §6.1) has it."""

    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


def load(pem: str) -> x509.Certificate:
    """The first certificate of a PEM text; raises ``CertificateInvalid``, which says what is wrong."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except (ValueError, TypeError, UnicodeEncodeError) as error:
        raise CertificateInvalid(f"This is no PEM certificate (-----BEGIN CERTIFICATE----- …): {error}") from error


def facts(certificate: x509.Certificate) -> Facts:
    """Its subject (RFC 4514), its serial number in hexadecimal digits, and until when it is valid."""
    return Facts(
        certificate.subject.rfc4514_string(), f"{certificate.serial_number:X}", certificate.not_valid_after_utc
    )


def hash_data(
    certificate: x509.Certificate, issuer: x509.Certificate | None = None, algorithm: str = HashAlgorithmEnumType.SHA256
) -> HashData:
    """What names this certificate on a charge point; a root is its own issuer."""
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer or certificate, ALGORITHMS[algorithm])
    named = request.build()
    return HashData(
        hash_algorithm=str(algorithm),
        issuer_name_hash=named.issuer_name_hash.hex(),
        issuer_key_hash=named.issuer_key_hash.hex(),
        serial_number=f"{certificate.serial_number:X}",
    )


def key_of(data: Any) -> tuple[str, str, str, str]:
    """What two descriptions of the same certificate have in common; charge points write hexadecimal digits as they
    like. ``data``: whatever has the four fields."""
    return (
        str(data.hash_algorithm),
        data.issuer_name_hash.lower(),
        data.issuer_key_hash.lower(),
        data.serial_number.lower().lstrip("0"),
    )


def every_hash_data(pem: str) -> Iterator[HashData]:
    """What may name this certificate on a charge point: by each algorithm; nothing for what cannot be read."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, UnicodeEncodeError):
        return
    issuer = next((one for one in certificates if one.subject == certificates[0].issuer), None)
    for algorithm in ALGORITHMS:
        yield hash_data(certificates[0], issuer, algorithm)


def names_of(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    """The values of this attribute: ``NameOID.COMMON_NAME``, ``NameOID.ORGANIZATION_NAME``."""
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


def common_names(name: x509.Name) -> list[str]:
    return names_of(name, NameOID.COMMON_NAME)


def organisations(name: x509.Name) -> list[str]:
    return names_of(name, NameOID.ORGANIZATION_NAME)
