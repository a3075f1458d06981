"""Keys, signing requests and certificates for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def ec_key(curve: ec.EllipticCurve | None = None) -> Any:
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key(bits: int) -> Any:
    return rsa.generate_private_key(65537, bits)


def name(common_name: str | None = "CP001", organisation: str | None = "Operator") -> x509.Name:
    given = ((NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in given if value is not None])


def csr(key: Any = None, **subject: Any) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(name(**subject))
    signed = request.sign(key or ec_key(), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def root(common_name: str = "Root", serial_number: int | None = None) -> x509.Certificate:
    key, now = ec_key(), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(name(common_name))
        .public_key(key.public_key())
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
    return builder.sign(key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
