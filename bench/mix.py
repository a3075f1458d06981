"""What one simulated charge point says, and whether each answer is right: pure, frames in and frames out.

After booting it repeats one charging session for ever: Heartbeat, StatusNotification (Preparing), Authorize,
StartTransaction, StatusNotification (Charging), five MeterValues with three samples each, StopTransaction,
StatusNotification (Available).
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

STEP_WH = 250
"""Energy between two MeterValues."""


class Answer(msgspec.Struct, rename="camel"):
    """The payload of a CALLRESULT, with the fields that OCPP 1.6 requires (own declarations: an independent check)."""


class HeartbeatAnswer(Answer):
    current_time: datetime


class BootNotificationAnswer(Answer):
    status: Literal["Accepted"]
    current_time: datetime
    interval: Annotated[int, msgspec.Meta(ge=0)]


class IdTagInfo(Answer):
    status: Literal["Accepted"]


class AuthorizeAnswer(Answer):
    id_tag_info: IdTagInfo


class StartTransactionAnswer(Answer):
    transaction_id: Annotated[int, msgspec.Meta(ge=1)]
    id_tag_info: IdTagInfo


class StopTransactionAnswer(Answer):
    id_tag_info: IdTagInfo


def _decoder(payload: type[Answer]) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(tuple[Literal[3], str, payload])  # type: ignore[valid-type]


DECODERS = {
    "BootNotification": _decoder(BootNotificationAnswer),
    "Heartbeat": _decoder(HeartbeatAnswer),
    "StatusNotification": _decoder(Answer),
    "Authorize": _decoder(AuthorizeAnswer),
    "StartTransaction": _decoder(StartTransactionAnswer),
    "MeterValues": _decoder(Answer),
    "StopTransaction": _decoder(StopTransactionAnswer),
}
ACTIONS = tuple(DECODERS)

CENTRAL_SYSTEM_CALL = msgspec.json.Decoder(tuple[Literal[2], str, str, msgspec.Raw])
BUSY = b'{"status":"Rejected"}'
"""Answer to a RemoteStartTransaction and to anything else asked of us: the driver has already shown a tag."""


def identity_of(number: int) -> str:
    """The identity of the charge point with this number, from 1."""
    return f"BENCH-{number:05d}"


def key_of(number: int) -> str:
    """Its authorization key, with which it connects (security profile 1)."""
    return f"{number:040x}"


def id_tag_of(number: int) -> str:
    """Its driver's idTag; one for each, so that the default limit of one transaction per tag holds."""
    return f"BENCHTAG{number:05d}"


def is_call(frame: bytes) -> bool:
    """Whether the central system asks something."""
    return frame.lstrip(b"[ \t\r\n")[:1] == b"2"


def answer_call(frame: bytes) -> bytes:
    """Our answer to a CALL of the central system; raises ``msgspec.DecodeError`` when it is none."""
    _, unique_id, _, _ = CENTRAL_SYSTEM_CALL.decode(frame)
    return b'[3,"%b",%b]' % (unique_id.encode(), BUSY)


class Mix:
    """The script of one charge point: ``next_call``, then ``take_answer``, and so on."""

    __slots__ = ("_id_tag", "_identity", "_meter_wh", "_serial", "_stem", "_step", "_transaction_id", "_unique_id")

    def __init__(self, number: int) -> None:
        self._identity = identity_of(number)
        self._id_tag = id_tag_of(number)
        self._stem = str(uuid.uuid4())[:24]  # with twelve more digits as long as the UUIDs of real charge points
        self._serial = 0
        self._step = 0
        self._unique_id = ""
        self._transaction_id = 0
        self._meter_wh = 1_000_000 + number

    @property
    def action(self) -> str:
        """What ``next_call`` says, or what has just been said."""
        return STEPS[self._step][0]

    @property
    def has_booted(self) -> bool:
        return self._step >= len(BOOT)

    @property
    def is_between_sessions(self) -> bool:
        """Whether the next call begins a new charging session."""
        return self._step == len(BOOT)

    def next_call(self) -> bytes:
        """The CALL to send now."""
        self._serial += 1
        self._unique_id = f"{self._stem}{self._serial:012x}"
        action, payload = STEPS[self._step]
        return f'[2,"{self._unique_id}","{action}",{payload(self)}]'.encode()

    def take_answer(self, frame: bytes) -> str | None:
        """Check the answer to the CALL and go on to the next; what is wrong with it, or None."""
        try:
            _, unique_id, payload = DECODERS[STEPS[self._step][0]].decode(frame)
        except msgspec.DecodeError as error:
            problem: str | None = f"{error}: {frame[:200]!r}"
        else:
            problem = (
                None if unique_id == self._unique_id else f"unique id {unique_id!r} instead of {self._unique_id!r}"
            )
            if type(payload) is StartTransactionAnswer:
                self._transaction_id = payload.transaction_id
        self.advance()
        return problem

    def advance(self) -> None:
        """Go on to the next CALL whatever the answer was."""
        self._step += 1
        if self._step == len(STEPS):
            self._step = len(BOOT)

    # -- payloads --------------------------------------------------------------------------------------------

    def boot(self) -> str:
        return (
            '{"chargePointVendor":"Bench","chargePointModel":"B1","chargePointSerialNumber":"'
            f'{self._identity}","firmwareVersion":"1.0.0"}}'
        )

    def heartbeat(self) -> str:
        return "{}"

    def authorize(self) -> str:
        return f'{{"idTag":"{self._id_tag}"}}'

    def start(self) -> str:
        return f'{{"connectorId":1,"idTag":"{self._id_tag}","meterStart":{self._meter_wh},"timestamp":"{_now()}"}}'

    def meter_values(self) -> str:
        self._meter_wh += STEP_WH
        return (
            f'{{"connectorId":1,"transactionId":{self._transaction_id},"meterValue":[{{"timestamp":"{_now()}",'
            '"sampledValue":['
            f'{{"value":"{self._meter_wh}","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
            '"unit":"Wh"},'
            '{"value":"11040.0","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},'
            '{"value":"47","context":"Sample.Periodic","measurand":"SoC","unit":"Percent"}]}]}'
        )

    def stop(self) -> str:
        return (
            f'{{"transactionId":{self._transaction_id},"idTag":"{self._id_tag}","meterStop":{self._meter_wh},'
            f'"timestamp":"{_now()}","reason":"EVDisconnected"}}'
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _status(status: str, connector: int = 1) -> Callable[[Mix], str]:
    start = f'{{"connectorId":{connector},"errorCode":"NoError","status":"{status}","timestamp":"'

    def payload(_: Mix) -> str:
        return f'{start}{_now()}"}}'

    return payload


Step = tuple[str, Callable[[Mix], str]]

BOOT: tuple[Step, ...] = (
    ("BootNotification", Mix.boot),
    ("StatusNotification", _status("Available", connector=0)),
    ("StatusNotification", _status("Available")),
)
SESSION: tuple[Step, ...] = (
    ("Heartbeat", Mix.heartbeat),
    ("StatusNotification", _status("Preparing")),
    ("Authorize", Mix.authorize),
    ("StartTransaction", Mix.start),
    ("StatusNotification", _status("Charging")),
    *[("MeterValues", Mix.meter_values)] * 5,
    ("StopTransaction", Mix.stop),
    ("StatusNotification", _status("Available")),
)
STEPS = BOOT + SESSION
