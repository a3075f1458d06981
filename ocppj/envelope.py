"""The contract between gateway and worker: pure data, packed with msgpack, carried by AMQP or by memory.

What one side has to say in one pass of its event loop travels together: a ``ToBackend`` or a ``ToGateway`` is one
AMQP message. Every ``Request`` carries a relay id and gets exactly one reply with the same relay id *after* the
backend has committed; a gateway that gets none publishes it again with the same relay id, and the backend answers it
from its memory instead of doing it twice.

Versions: a receiver takes ``VERSION`` and the one before, ignores what a newer sender appended, and never drops a
version it does not know. Fields are only ever appended, with a default; a new kind of item is a new version. Workers
are upgraded before gateways. Times are seconds since 1970 in UTC.
"""

from uuid import UUID

import msgspec

from ocppj.errors import EnvelopeError

VERSION = 1
ACCEPTED_VERSIONS = frozenset({1})


class _Item(msgspec.Struct, array_like=True, frozen=True, tag=True):
    pass


# -- gateway → backend ---------------------------------------------------------------------------------------


class ClientCertificate(msgspec.Struct, array_like=True, frozen=True):
    """A client certificate whose path the gateway, or a trusted proxy, has verified (whitepaper A00.FR.403)."""

    common_names: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    serial: str = ""
    fingerprint: str = ""
    """SHA-256 of its DER form in hexadecimal digits."""


class Incident(msgspec.Struct, array_like=True, frozen=True):
    """Something that a gateway's limits have kept out or slowed down, ``count`` times since the last announcement."""

    kind: str
    address: str = ""
    identity: str = ""
    count: int = 1


class Connect(_Item, frozen=True, tag="connect"):
    """A charge point asks to be let in (OCPP-J 1.6 §3); the websocket is accepted after the ``ConnectReply``."""

    relay_id: UUID
    session: UUID
    identity: str
    at: float
    remote_address: str = ""
    path: str = ""
    subprotocol: str = ""
    """What was agreed on, ``ocpp1.6``; empty when the client offered none."""
    username: str | None = None
    password: bytes | None = None
    """From HTTP Basic authentication, undecoded: it may be 20 arbitrary bytes (OCPP-J 1.6 §6.2.2)."""
    user_agent: str = ""
    secure: bool = False
    """Whether the connection is encrypted by TLS."""
    certificate: ClientCertificate | None = None


class Frame(_Item, frozen=True, tag="frame"):
    """A frame from a charge point, its bytes untouched; answered by ``FrameReply``."""

    relay_id: UUID
    session: UUID
    identity: str
    at: float
    raw: bytes
    late: bool = False
    """An answer to a CALL of ours that came after its timeout."""
    latency_s: float | None = None
    """For an answer to a CALL of ours: seconds since that CALL was written."""


class Disconnect(_Item, frozen=True, tag="disconnect"):
    """A session has ended; answered by ``Done``.

    ``unsent`` are the unique ids of our CALLs that were never written, ``unanswered`` those written without an answer.
    """

    relay_id: UUID
    session: UUID
    identity: str
    at: float
    code: int = 1006
    reason: str = ""
    unsent: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


class CommandReport(_Item, frozen=True, tag="command"):
    """What became of a CALL of ours; answered by ``Done``.

    ``state`` is ``sent`` (written to the socket), ``timed_out``, ``expired`` or ``unsent``.
    """

    relay_id: UUID
    session: UUID
    identity: str
    at: float
    unique_id: str
    state: str


class Announce(_Item, frozen=True, tag="announce"):
    """A gateway lives, every 10 s; answered by ``AnnounceReply``.

    ``sessions``: None, or (after its broker connection was lost, or on demand) the ids of all sessions it holds.
    """

    relay_id: UUID
    at: float
    connections: int
    sessions: tuple[UUID, ...] | None = None
    leaving: bool = False
    """The gateway shuts down in good order and takes no new sessions."""
    incidents: tuple[Incident, ...] = ()


Request = Connect | Frame | Disconnect | CommandReport | Announce


class ToBackend(msgspec.Struct, array_like=True, frozen=True):
    """One message on the ``ocpp.rpc`` queue."""

    version: int
    gateway: str
    """The gateway's own name, unique for each run of its process."""
    reply_to: str
    """The gateway's current reply queue; commands for its sessions go there as well."""
    requests: tuple[Request, ...]


# -- backend → gateway ---------------------------------------------------------------------------------------


class SessionSettings(msgspec.Struct, array_like=True, frozen=True):
    """How the gateway treats one charge point; all durations in seconds."""

    ping_interval_s: float | None = 30.0
    """None: no websocket pings (some charge points answer them with invalid pongs)."""
    silence_timeout_s: float | None = None
    """Close after so long without any frame; None: never."""
    max_frame_bytes: int = 1 << 20


class ConnectReply(_Item, frozen=True, tag="connect"):
    """Whether the charge point may come in.

    ``status`` is the HTTP status to refuse with otherwise: 401, 403, 404, 429 or 503.
    """

    relay_id: UUID
    accepted: bool
    status: int = 101
    reason: str = ""
    settings: SessionSettings = SessionSettings()


class FrameReply(_Item, frozen=True, tag="frame"):
    """The raw answer to write to the socket; None where there is none (to a CALLRESULT, an unreadable frame)."""

    relay_id: UUID
    raw: bytes | None = None


class Done(_Item, frozen=True, tag="done"):
    """The request has been carried out and committed."""

    relay_id: UUID


class AnnounceReply(_Item, frozen=True, tag="announce"):
    """The announcement was noted; ``resend_sessions`` asks for all session ids in the next one."""

    relay_id: UUID
    resend_sessions: bool = False


class Command(_Item, frozen=True, tag="call"):
    """A CALL for the charge point that holds ``session``.

    A gateway that has seen ``unique_id`` on this session ignores it; one that does not hold the session answers with a
    ``CommandReport`` in state ``unsent``.
    """

    session: UUID
    identity: str
    unique_id: str
    raw: bytes
    timeout_s: float = 30.0
    delay_s: float = 0.0
    """Not written earlier than so many seconds after the gateway got it."""
    expires_at: float | None = None
    cancel: bool = False
    """Take the command back: if it has not been written, it never is, and is reported ``unsent``."""


class CloseSession(_Item, frozen=True, tag="close"):
    """Close a websocket with this code and reason."""

    session: UUID
    code: int = 1000
    reason: str = ""


class CommandFinished(_Item, frozen=True, tag="finished"):
    """A hint to whoever waits for this command: its row has changed, read it. Not for gateways, which ignore it."""

    unique_id: str


Reply = ConnectReply | FrameReply | Done | AnnounceReply | Command | CloseSession | CommandFinished


class ToGateway(msgspec.Struct, array_like=True, frozen=True):
    """One message on a gateway's reply queue, items in the order in which they are to be carried out."""

    version: int
    items: tuple[Reply, ...]


# -- bytes ---------------------------------------------------------------------------------------------------

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_to_backend = msgspec.msgpack.Decoder(ToBackend)
_to_gateway = msgspec.msgpack.Decoder(ToGateway)


def encode(message: ToBackend | ToGateway) -> bytes:
    """The message as it travels."""
    return _encoder.encode(message)


def decode_to_backend(data: bytes) -> ToBackend:
    """What a gateway sent; raises ``EnvelopeError``."""
    message = _decode(_to_backend, data)
    assert isinstance(message, ToBackend)
    return message


def decode_to_gateway(data: bytes) -> ToGateway:
    """What the backend sent; raises ``EnvelopeError``."""
    message = _decode(_to_gateway, data)
    assert isinstance(message, ToGateway)
    return message


def _decode(
    decoder: "msgspec.msgpack.Decoder[ToBackend] | msgspec.msgpack.Decoder[ToGateway]", data: bytes
) -> ToBackend | ToGateway:
    try:
        message = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unknown(data, error) from None
    if message.version not in ACCEPTED_VERSIONS:
        raise _unknown(data, None)
    return message


def _unknown(data: bytes, error: Exception | None) -> EnvelopeError:
    try:
        version = msgspec.msgpack.decode(data, type=list[msgspec.Raw])[0]
        claimed = msgspec.msgpack.decode(version, type=int)
    except (msgspec.DecodeError, IndexError):
        return EnvelopeError(f"These bytes are no envelope: {error}.")
    if claimed in ACCEPTED_VERSIONS:
        return EnvelopeError(f"An envelope of version {claimed} is damaged: {error}.", version=claimed)
    return EnvelopeError(
        f"An envelope of version {claimed} came in, this process knows {sorted(ACCEPTED_VERSIONS)}: upgrade it.",
        version=claimed,
    )
