"""May this connection be the charge point that it claims to be? The security profiles of the whitepaper (A00)."""

import re
from dataclasses import dataclass

from ocpp_app import conf, credentials
from ocpp_app.models import ChargePoint, Organisation, RegistrationStatus, SecurityEventKind, SecurityProfile
from ocppj import envelope

CURRENT, NEXT = "current", "next"


@dataclass(frozen=True, slots=True)
class Admission:
    """Let in with this security profile, or (``status``) refused with this HTTP status."""

    profile: int = SecurityProfile.NONE
    key: str = ""
    """Which key the password was: ``CURRENT``, ``NEXT``, or empty when it was none."""
    status: int = 101
    reason: str = ""
    kind: str = ""

    @property
    def is_refused(self) -> bool:
        return self.status != 101

    @property
    def strength(self) -> int:
        """How surely it is the charge point."""
        return strength_of(self.profile)


def strength_of(profile: int) -> int:
    """The strength of the authentication of a profile: nothing, a password that others on the way may have read, one
    that nobody could read, a certificate."""
    return int(profile)


def required_profile(charge_point: ChargePoint) -> int:
    """What connections of this charge point must have at the least."""
    own = charge_point.security_profile
    return conf.security_profile() if own is None else own


def examine(charge_point: ChargePoint, request: envelope.Connect) -> Admission:
    """Whether this request may open a session of this charge point."""
    required = required_profile(charge_point)
    if request.certificate is not None and request.secure and is_certified(charge_point, request.certificate):
        return Admission(SecurityProfile.MUTUAL_TLS)
    if required >= SecurityProfile.TLS and not request.secure:
        return _refused(403, f"Security profile {required} is required: connect with TLS.")
    if required == SecurityProfile.MUTUAL_TLS:
        if request.certificate is None:
            return _refused(403, "Security profile 3 is required: a client certificate is needed.")
        return _refused(403, "The client certificate is not this charge point's.", SecurityEventKind.WRONG_CERTIFICATE)
    key = key_used(charge_point, request)
    if charge_point.authorization_key and not key:
        text = "The charge point's user name or password is wrong."
        return _refused(401, text, SecurityEventKind.WRONG_CREDENTIALS)
    profile = SecurityProfile.NONE
    if key:
        profile = SecurityProfile.TLS if request.secure else SecurityProfile.BASIC
    if profile < required and not _waits_for_approval(charge_point):
        return _refused(401, f"Security profile {required} is required: a password is needed.")
    return Admission(profile, key)


def key_used(charge_point: ChargePoint, request: envelope.Connect) -> str:
    """Which of its keys the request presents; OCPP-J 1.6 §6.2.2: the user name is the identity."""
    if request.username != charge_point.identity or request.password is None:
        return ""
    for name, stored in ((CURRENT, charge_point.authorization_key), (NEXT, charge_point.next_authorization_key)):
        if stored and credentials.verify_key(request.password, stored):
            return name
    return ""


def is_certified(charge_point: ChargePoint, certificate: envelope.ClientCertificate) -> bool:
    """A00.FR.404, A00.FR.405: the certificate is of a trusted operator and of this charge point.

    The serial number must stand in the common name as a word of its own: SN12 is not in SN123.
    """
    if not any(is_named(charge_point, name) for name in certificate.common_names):
        return False
    return bool(set(certificate.organisations) & set(operators_of(charge_point)))


def operators_of(charge_point: ChargePoint) -> tuple[str, ...]:
    """The names (O) that certificates of this charge point may have: its organisation's, or those of the setting."""
    own = Organisation.objects.filter(charge_points=charge_point).values_list("operator_names", flat=True).first()
    return tuple(names_in(own or "")) or conf.trusted_operators()


def names_in(lines: str) -> list[str]:
    """One name a line: a name may have a comma."""
    return [name for line in lines.splitlines() if (name := line.strip())]


def is_named(charge_point: ChargePoint, common_name: str) -> bool:
    """Whether a certificate with this common name is this charge point's."""
    if common_name == charge_point.identity:
        return True
    serial = charge_point.registered_serial_number
    word = rf"(?<![0-9A-Za-z]){re.escape(serial)}(?![0-9A-Za-z])"
    return bool(serial) and re.search(word, common_name) is not None


def _waits_for_approval(charge_point: ChargePoint) -> bool:
    """One that has never been given anything to prove itself with: it may connect, and hears Pending."""
    return (
        charge_point.registration_status == RegistrationStatus.PENDING
        and charge_point.security_profile is None
        and not charge_point.authorization_key
    )


def _refused(status: int, reason: str, kind: str = SecurityEventKind.WEAK_PROFILE) -> Admission:
    return Admission(status=status, reason=reason, kind=kind)
