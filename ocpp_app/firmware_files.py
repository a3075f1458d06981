"""What is known of a firmware file: its size, its checksum, the name in its address, its signature."""

import base64
import binascii
import hashlib
import re
from typing import Any

from ocpp_app import certificates
from ocpp_app.models import Firmware

CHUNK = 256 * 1024


def describe(firmware: Firmware, file: Any, name: str) -> None:
    """Fill in what the file itself says; its content is read once, in portions."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    file.seek(0)
    firmware.sha256, firmware.size, firmware.file_name = digest.hexdigest(), size, safe_name(name)


def safe_name(name: str) -> str:
    """The last part of a name, of letters that need no escaping in an address; charge points guess the version by it,
    or the kind of file by its end."""
    last = re.split(r"[\\/]", name)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")[-100:] or "firmware.bin"


def check_signature(signing_certificate: str, signature: str) -> None:
    """Raise ``CertificateInvalid`` or ``ValueError`` unless there are both, as SignedUpdateFirmware.req takes them
    (security whitepaper §6.7), or neither."""
    if signing_certificate:
        certificates.load(signing_certificate)
    if bool(signing_certificate) != bool(signature):
        raise ValueError("Signing certificate and signature go together: give both, or neither.")
    try:
        base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"The signature is not Base64: {error}.") from error
