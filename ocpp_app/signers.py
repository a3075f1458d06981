"""Who signs the certificates of charge points (security whitepaper A02, A03): OCPP_CERTIFICATE_SIGNER names one.

A signer is a class that is made without arguments; it is called outside of any database transaction, by one worker at a
time, and may take its time. For tests and for sites without a certificate authority of their own there is
``DevelopmentCA``.
"""

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.utils.module_loading import import_string

from ocpp_app import conf
from ocpp_app.models import ChargePoint, private_files


class Signer(ABC):
    """Signs requests that have passed our own checks."""

    @abstractmethod
    def sign(self, csr: str, charge_point: ChargePoint) -> str:
        """The PEM chain for this PEM request: the charge point's certificate first, then the sub CAs, without the root.

        Raises ``SigningRequestRefused`` where it will never be signed, ``SignerUnavailable`` where it is worth trying
        again.
        """


def signer() -> Signer | None:
    """The signer of the setting, made anew; None where nobody signs. Raises ``ImproperlyConfigured``."""
    path = conf.certificate_signer()
    if not path:
        return None
    try:
        made: Any = import_string(path)()
    except (ImportError, TypeError) as error:
        raise ImproperlyConfigured(f"OCPP_CERTIFICATE_SIGNER names {path!r}, which cannot be made: {error}") from error
    if not callable(getattr(made, "sign", None)):
        raise ImproperlyConfigured(f"OCPP_CERTIFICATE_SIGNER names {path!r}, which has no sign(csr, charge_point).")
    return made  # type: ignore[no-any-return]


class DevelopmentCA(Signer):
    """A certificate authority in a file: made on first use, its key unencrypted in the private storage.

    Whoever can read that storage can make certificates. The gateway has to be told to trust it:
    ``manage.py development_ca`` prints its certificate.
    """

    NAME = "django-ocpp-csms development CA"
    LIVES = timedelta(days=3650)
    CERTIFICATES_LIVE = timedelta(days=365)
    FILES = ("development_ca/key.pem", "development_ca/certificate.pem")

    def sign(self, csr: str, charge_point: ChargePoint) -> str:
        request = x509.load_pem_x509_csr(csr.encode())
        key, ca = self._load()
        now = datetime.now(UTC)
        public_key = request.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(ca.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())  # A00.FR.508
            .not_valid_before(now - timedelta(minutes=5))  # clocks differ
            .not_valid_after(min(now + self.CERTIFICATES_LIVE, ca.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)  # A00.FR.512
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        return _pem(builder.sign(key, hashes.SHA256()))

    def certificate(self) -> str:
        """The CA's own certificate, PEM."""
        return _pem(self._load()[1])

    def _load(self) -> tuple[Any, x509.Certificate]:
        key_file, certificate_file = self.FILES
        if not private_files.exists(certificate_file):
            self._make()
        with private_files.open(key_file) as file:
            key: Any = serialization.load_pem_private_key(file.read(), None)
        with private_files.open(certificate_file) as file:
            return key, x509.load_pem_x509_certificate(file.read())

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())  # ECDSA: A00.FR.505
        now = datetime.now(UTC)
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.NAME),
                x509.NameAttribute(NameOID.COMMON_NAME, self.NAME),
            ]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + self.LIVES)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key_file, certificate_file = self.FILES
        private_files.delete(key_file)  # of an attempt that did not come to its end
        private_files.save(key_file, ContentFile(secret))
        private_files.save(certificate_file, ContentFile(_pem(certificate).encode()))


def _key_usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
