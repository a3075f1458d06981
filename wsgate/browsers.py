"""Charge points in browsers: where they put the credentials that a charge point sends as HTTP Basic authentication.

A script cannot set the Authorization header of a websocket. It can offer subprotocols, so beside ``ocpp1.6`` it offers

    ocpp.basic.<identity ":" password, as base64url without padding>

which is taken as ``Authorization: Basic`` would be. Only from the pages named in ``--browser-origins``: a browser tells
in Origin whose script it runs, so no other page that somebody happens to visit can try passwords from there. The entry
is taken out of the request before anything else sees it: never echoed, never kept, never logged.
"""

from collections.abc import Container

from websockets.datastructures import Headers

PREFIX = "ocpp.basic."
OFFERS = "Sec-WebSocket-Protocol"


def unpack_credentials(headers: Headers, origins: Container[str]) -> None:
    """Turn the entry into an Authorization header, where its page is trusted and there is no such header; drop it
    everywhere.
    """
    offers = [offer.strip() for value in headers.get_all(OFFERS) for offer in value.split(",")]
    packed = [offer.removeprefix(PREFIX) for offer in offers if offer.startswith(PREFIX)]
    if not packed:
        return
    del headers[OFFERS]
    if left := [offer for offer in offers if offer and not offer.startswith(PREFIX)]:
        headers[OFFERS] = ", ".join(left)
    if len(packed) == 1 and _origin(headers) in origins and "Authorization" not in headers:
        headers["Authorization"] = f"Basic {packed[0].replace('-', '+').replace('_', '/')}"


def _origin(headers: Headers) -> str:
    values = headers.get_all("Origin")
    return values[0].lower() if len(values) == 1 else ""
