"""The certificates of a charge point: the roots that it trusts, and its own (security whitepaper A02, M03-M05).

Pure, but for keys and signatures, which are real.
"""

from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from ocppj.v16 import (
    CertificateHashDataType,
    CertificateStatusEnumType,
    CertificateUseEnumType,
    DeleteCertificateStatusEnumType,
    HashAlgorithmEnumType,
)


class Certificates:
    """What is installed; CertificateStoreMaxLength says how much fits."""

    def __init__(self) -> None:
        self.roots: list[tuple[CertificateUseEnumType, x509.Certificate]] = []
        self.own_chain = ""
        """The chain that the central system has sent last; the connection goes on as it is."""
        self._key: Any = None

    # -- roots ------------------------------------------------------------------------------------------------

    def install(self, use: CertificateUseEnumType, pem: str, utc: datetime, most: int) -> CertificateStatusEnumType:
        """InstallCertificate.req (M05.FR.02-06)."""
        certificate = _load(pem)
        if certificate is None or not _is_valid(certificate, utc):
            return CertificateStatusEnumType.Rejected
        if (use, certificate) not in self.roots:
            if len(self.roots) >= most:
                return CertificateStatusEnumType.Rejected
            self.roots.append((use, certificate))
        return CertificateStatusEnumType.Accepted

    def delete(self, data: CertificateHashDataType) -> DeleteCertificateStatusEnumType:
        """DeleteCertificate.req (M04.FR.02, M04.FR.04)."""
        left = [(use, one) for use, one in self.roots if not _is_named(one, data)]
        if len(left) == len(self.roots):
            return DeleteCertificateStatusEnumType.NotFound
        self.roots = left
        return DeleteCertificateStatusEnumType.Accepted

    def listed(self, use: CertificateUseEnumType) -> list[CertificateHashDataType]:
        """What GetInstalledCertificateIds.conf tells (M03.FR.04)."""
        return [hash_data(one, HashAlgorithmEnumType.SHA256) for its_use, one in self.roots if its_use == use]

    def trusts(self, pem: str, utc: datetime) -> bool:
        """Whether this firmware signing certificate is of a manufacturer whose root is installed (L01.FR.12)."""
        certificate = _load(pem)
        if certificate is None or not _is_valid(certificate, utc):
            return False
        manufacturers = (one for use, one in self.roots if use == CertificateUseEnumType.ManufacturerRootCertificate)
        return any(one == certificate or _is_issued_by(certificate, one) for one in manufacturers)

    # -- its own ----------------------------------------------------------------------------------------------

    def make_request(self, organisation: str, common_name: str) -> str:
        """A new key, and the PEM request for its certificate (A02.FR.02, A02.FR.03, A02.FR.13)."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64] or "-"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]),
        ]
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def take_own(self, chain: str, utc: datetime) -> bool:
        """CertificateSigned.req: taken if it is valid and of the key that was asked for (A02.FR.06)."""
        certificate = _load(chain)
        if certificate is None or self._key is None or not _is_valid(certificate, utc):
            return False
        if certificate.public_key() != self._key.public_key():
            return False
        self.own_chain = chain
        return True


def hash_data(certificate: x509.Certificate, algorithm: HashAlgorithmEnumType) -> CertificateHashDataType:
    """What names a root, which is its own issuer (whitepaper §6.1)."""
    algorithms = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, certificate, algorithms[algorithm])
    request = builder.build()
    return CertificateHashDataType(
        hash_algorithm=algorithm,
        issuer_name_hash=request.issuer_name_hash.hex(),
        issuer_key_hash=request.issuer_key_hash.hex(),
        serial_number=f"{certificate.serial_number:X}",
    )


def is_signed(digest: bytes, signature: bytes, pem: str) -> bool:
    """Whether a file with this SHA-256 was signed with the certificate's key, by RSA-PSS or ECDSA (L01.FR.04)."""
    certificate = _load(pem)
    if certificate is None:
        return False
    key, algorithm = certificate.public_key(), Prehashed(hashes.SHA256())
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _load(pem: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except ValueError:
        return None


def _is_valid(certificate: x509.Certificate, utc: datetime) -> bool:
    return certificate.not_valid_before_utc <= utc <= certificate.not_valid_after_utc


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_named(certificate: x509.Certificate, data: CertificateHashDataType) -> bool:
    own = hash_data(certificate, HashAlgorithmEnumType(data.hash_algorithm))
    return all(
        getattr(own, name).lower().lstrip("0") == getattr(data, name).lower().lstrip("0")
        for name in ("issuer_name_hash", "issuer_key_hash", "serial_number")
    )
