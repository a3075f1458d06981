"""One-time addresses for charge points, and whether a charge point can use them.

The secret is in the address, since charge points can do no better; only its hash is kept with the task. It is valid for
one task, for a limited time.
"""

import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ocpp_app import conf
from ocpp_app.errors import TransferNotPossible
from ocpp_app.models import ChargePoint, ConfigurationKey
from ocppj.secrets import ONE_TIME

PROTOCOLS_KEY = "SupportedFileTransferProtocols"
"""OCPP 1.6 §9.4.1: a list of FTP, FTPS, HTTP, HTTPS."""


@dataclass(frozen=True, slots=True)
class Link:
    """An address, and what is kept of it."""

    url: str
    digest: str


def upload_link() -> Link:
    """A directory for one file; charge points put its name behind the slash, or not (OCPP 1.6 §6.25)."""
    token = _token()
    return Link(f"{_base()}upload/{token}/", digest_of(token))


def download_link(file_name: str) -> Link:
    """The address of one firmware file; some charge points want to see its name at the end."""
    token = _token()
    return Link(f"{_base()}firmware/{token}/{quote(file_name)}", digest_of(token))


def _token() -> str:
    return ONE_TIME + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def check_protocol(charge_point: ChargePoint, url: str) -> None:
    """Raise ``TransferNotPossible`` where the charge point has said that it does not speak this address's protocol; one
    that has said nothing is given the benefit of the doubt."""
    scheme = urlsplit(url).scheme.upper()
    known = protocols_of(charge_point)
    if known is None or scheme in known:
        return
    allowed = ", ".join(sorted(known)) or "nothing at all"
    raise TransferNotPossible(
        f"{charge_point.identity} transfers files by {allowed} ({PROTOCOLS_KEY}), not by {scheme or 'this address'}: "
        "name a location that it can reach, or change the protocol of OCPP_TRANSFER_URL."
    )


def protocols_of(charge_point: ChargePoint) -> set[str] | None:
    """What SupportedFileTransferProtocols of this charge point says; None: it was never read, or is not known."""
    row = ConfigurationKey.objects.filter(charge_point=charge_point, name=PROTOCOLS_KEY.casefold()).first()
    if row is None or row.value is None or not row.value.strip():
        return None
    return {word.strip().upper() for word in row.value.replace(";", ",").split(",") if word.strip()}


def _base() -> str:
    url = conf.transfer_url()
    if not url:
        raise TransferNotPossible(
            "Charge points cannot reach us for files: set OCPP_TRANSFER_URL to the address under which they see "
            "/transfer/, such as https://csms.example.com/transfer/, or name a location of your own."
        )
    return url
