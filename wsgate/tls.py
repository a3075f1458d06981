"""TLS ended by the gateway itself: the security whitepaper's profiles 2 and 3 (A00.FR.3xx and 4xx).

``TLS.context`` is asked for anew at each handshake, so ``reload`` changes certificates without touching open sockets.
"""

import contextlib
import hashlib
import ssl
from collections.abc import Iterable
from typing import Any

from ocppj.envelope import ClientCertificate
from wsgate.config import TLSConfig
from wsgate.errors import ConfigError

CIPHERS = ":".join(
    (
        # A00.FR.317, A00.FR.421: the four that every central system offers, those with forward secrecy first.
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        # Forward secrecy for RSA certificates as well, where the charge point can.
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
    )
)
"""For TLS 1.2; TLS 1.3 brings its own suites."""


class TLS:
    """The gateway's certificates; raises ``ConfigError`` when they cannot be used."""

    def __init__(self, config: TLSConfig) -> None:
        self._config = config
        self.context = new_context(config)

    def reload(self) -> None:
        """Read all files again, for handshakes from now on; on ``ConfigError`` the old ones stay in use."""
        self.context = new_context(self._config)


def new_context(config: TLSConfig) -> ssl.SSLContext:
    """A server's context for these files; raises ``ConfigError``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # A00.FR.312
    context.set_ciphers(CIPHERS)
    # A00.FR.320; and a peer must not make us compute a handshake again and again on one connection.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    for certificate, key in config.pairs:
        with _explained("--tls-cert", certificate, "--tls-key", key):
            context.load_cert_chain(certificate, key)
    if config.client_ca:
        with _explained("--client-ca", config.client_ca):
            context.load_verify_locations(config.client_ca)
        # Optional: charge points of profile 2 have no certificate. One that is presented must be valid (A00.FR.403).
        context.verify_mode = ssl.CERT_OPTIONAL
    if config.crl:
        with _explained("--crl", config.crl):
            context.load_verify_locations(config.crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def client_certificate(ssl_object: Any) -> ClientCertificate | None:
    """What the verified certificate of a peer says; None without one. ``ssl_object`` as a transport gives it."""
    der = None if ssl_object is None else ssl_object.getpeercert(binary_form=True)
    told = ssl_object.getpeercert() if der else None
    if not der or not told:
        return None
    subject = [pair for names in told.get("subject", ()) for pair in names]
    return ClientCertificate(
        common_names=_values(subject, "commonName"),
        organisations=_values(subject, "organizationName"),
        serial=str(told.get("serialNumber", "")),
        fingerprint=hashlib.sha256(der).hexdigest(),
    )


def _values(subject: Iterable[tuple[str, str]], wanted: str) -> tuple[str, ...]:
    return tuple(value for name, value in subject if name == wanted)


@contextlib.contextmanager
def _explained(*options_and_files: str) -> Any:
    named = " and ".join(
        f"{option} {file}" for option, file in zip(options_and_files[::2], options_and_files[1::2], strict=True)
    )
    try:
        yield
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{named} cannot be used: {error}. It takes PEM files that this process may read, a key without passphrase."
        ) from None
