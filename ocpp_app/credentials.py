"""Authorization keys of charge points: HTTP Basic passwords (OCPP-J 1.6 §6.2.2), stored hashed.

A keyed fast hash (HMAC-SHA-256 under ``SECRET_KEY``, with a salt for each key) and not a slow one. Ours have 160 random
bits, which nobody guesses; one that a person has typed has 16 characters at the least, and whoever steals the table
cannot even begin to guess it without ``SECRET_KEY``, which is not in the database. Thousands of charge points that
reconnect at once must be let in quickly: a hash that takes 100 ms would be a denial of service that anybody can order.

A new ``SECRET_KEY`` needs the old one in ``SECRET_KEY_FALLBACKS`` until every charge point has been given a new key.
"""

import hmac
import secrets

from django.conf import settings

ALGORITHM = "hmac-sha256"


def hash_key(key: str) -> str:
    """The key as it is stored: ``hmac-sha256$<salt>$<digest>``."""
    salt = secrets.token_hex(8)
    return f"{ALGORITHM}${salt}${_digest(salt, key.encode(), settings.SECRET_KEY)}"


def verify_key(presented: bytes, stored: str) -> bool:
    """Whether a presented password is the stored key, in constant time.

    A key of hexadecimal digits is accepted as text and as the bytes that it stands for: charge points do both
    (OCPP-J 1.6 §6.2.2 sends 20 bytes, the security whitepaper A00 the text).
    """
    algorithm, salt, digest = stored.split("$")
    if algorithm != ALGORITHM:
        raise ValueError(f"An authorization key is stored with the unknown algorithm {algorithm!r}.")
    in_hex = presented.hex().encode()
    found = False
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        for key in (presented, in_hex, in_hex.upper()):
            found |= hmac.compare_digest(_digest(salt, key, str(secret)), digest)
    return found


def new_key() -> str:
    """A key as we give them to charge points: 20 random bytes as 40 hexadecimal digits (whitepaper A00.FR.205)."""
    return secrets.token_hex(20)


def _digest(salt: str, key: bytes, secret: str) -> str:
    return hmac.digest(secret.encode(), salt.encode() + b"$" + key, "sha256").hex()
