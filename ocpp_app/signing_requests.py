"""What must be true of a certificate signing request before it is signed (security whitepaper A02, A03, A00.FR.5xx)."""

import ipaddress
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from django.db.models import Q

from ocpp_app import admission, certificates, conf
from ocpp_app.errors import SigningRequestRefused
from ocpp_app.models import ChargePoint, RegistrationStatus

MIN_RSA_BITS = 2048
"""A00.FR.502."""
MIN_EC_BITS = 224
"""A00.FR.503."""
WEAK_HASHES = frozenset({"md5", "sha1"})
URL = re.compile(r"[a-z][a-z0-9+.-]*://|\Awww\.", re.IGNORECASE)


def check(pem: str, charge_point: ChargePoint) -> x509.CertificateSigningRequest:
    """The request, if it may be signed for this charge point; raises ``SigningRequestRefused``, naming all that is
    wrong."""
    request = _load(pem)
    wrong = [*_key_problems(request), *_subject_problems(request, charge_point)]
    if wrong:
        raise SigningRequestRefused(" ".join(wrong))
    return request


def subject_of(pem: str) -> str:
    """The subject that a request asks for; empty where it cannot be read."""
    try:
        return x509.load_pem_x509_csr(pem.encode()).subject.rfc4514_string()
    except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
        return ""


def _load(pem: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        algorithm = request.signature_hash_algorithm
        if algorithm is not None and algorithm.name in WEAK_HASHES:
            raise SigningRequestRefused(f"It is signed with {algorithm.name.upper()}: use SHA-256 (A00.FR.506).")
        is_own_key = request.is_signature_valid
    except (ValueError, TypeError, UnicodeEncodeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise SigningRequestRefused(
            f"This is no PEM signing request (RFC 2986, -----BEGIN CERTIFICATE REQUEST-----): {error}"
        ) from error
    if not is_own_key:
        raise SigningRequestRefused("The request is not signed with the key that it asks a certificate for.")
    return request


def _key_problems(request: x509.CertificateSigningRequest) -> list[str]:
    wrong = []
    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        return [f"Its key cannot be used: {error}."]
    match key:
        case rsa.RSAPublicKey() | dsa.DSAPublicKey() if key.key_size < MIN_RSA_BITS:
            wrong.append(f"Its key has {key.key_size} bits; at least {MIN_RSA_BITS} are needed (A00.FR.502).")
        case ec.EllipticCurvePublicKey() if key.key_size < MIN_EC_BITS:
            wrong.append(f"Its key has {key.key_size} bits; at least {MIN_EC_BITS} are needed (A00.FR.503).")
    return wrong


def _subject_problems(request: x509.CertificateSigningRequest, charge_point: ChargePoint) -> list[str]:
    wrong = []
    organisations = certificates.organisations(request.subject)
    trusted = admission.operators_of(charge_point)
    if not organisations:
        wrong.append("Its subject has no organisation (O): set the charge point's CpoName (A02.FR.13).")
    elif trusted and not set(organisations) & set(trusted):
        allowed = ", ".join(trusted)
        source = "OCPP_TRUSTED_OPERATORS" if trusted == conf.trusted_operators() else "its operator's names"
        wrong.append(f"Its organisation (O) is {', '.join(organisations)}, not one of {source}: {allowed}.")
    names = certificates.common_names(request.subject)
    if not names:
        return [*wrong, "Its subject has no common name (CN): it must be the serial number (A00.FR.511)."]
    wrong += [
        f"Its common name {name} is an address: it must be the serial number (A00.FR.511)."
        for name in names
        if _is_address(name)
    ]
    registered = [name for name in (charge_point.registered_serial_number, charge_point.identity) if name]
    # No more than that: the door looks for a serial number within the name, so "SN12 SN13" would open it to two.
    if len(names) > 1 or names[0] not in registered:
        wrong.append(
            f"Its common name (CN) is {', '.join(names)}, but this charge point is registered as "
            f"{' or '.join(registered)} (A00.FR.405, A00.FR.511)."
        )
    if any(_opens_another(name, charge_point) for name in names):
        wrong.append(f"Its common name (CN) is {', '.join(names)}, which is the name of another charge point, too.")
    return wrong


def _opens_another(name: str, charge_point: ChargePoint) -> bool:
    """Whether a certificate with this common name would let its holder in as another charge point, of anybody."""
    candidates = ChargePoint.objects.exclude(pk=charge_point.pk).filter(
        # Whoever waits for approval has chosen his identity himself.
        (Q(identity=name) & ~Q(registration_status=RegistrationStatus.PENDING)) | ~Q(registered_serial_number="")
    )
    fields = candidates.only("identity", "registered_serial_number")
    return any(admission.is_named(other, name) for other in fields.iterator())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return URL.search(name) is not None
    return True
