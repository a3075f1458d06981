"""Frames that a broken, a strange or a hostile charge point might send, and the one that sends them."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import hypothesis.strategies as st
import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from ocppj.v16 import PROTOCOL
from tests.ocppj.schemas import schema_of
from tests.ocppj.strategies import allowed, spoilt_value

ANSWER_WITHIN_S = 20
NUMBER = "@ID@"
"""Where a frame gets its unique id when it is sent."""
ODD_FRAMES = [
    "",
    " ",
    "null",
    "[]",
    "[2]",
    '[2,"@ID@"]',
    '[2,"@ID@","Heartbeat"]',
    '[2,"@ID@","Heartbeat",null]',
    '[2,"@ID@","Heartbeat",{},1,2]',
    '[2,"@ID@",7,{}]',
    '[2,@ID@,"Heartbeat",{}]',
    '[2,null,"Heartbeat",{}]',
    '["2","@ID@","Heartbeat",{}]',
    '[2.0,"@ID@","Heartbeat",{}]',
    '[3,"@ID@",{}]',
    '[4,"@ID@","GenericError","",{}]',
    '[4,"@ID@"]',
    '[5,"@ID@","Heartbeat",{}]',
    '[true,"@ID@","Heartbeat",{}]',
    '[2,"@ID@","Heartbeat",{"a":' + "[" * 500 + "]" * 500 + "}]",
    '[2,"@ID@","Heartbeat",' + "[" * 20000,
    '[2,"@ID@","NoSuchAction",{}]',
    '[2,"@ID@","Reset",{"type":"Soft"}]',
    '[2,"@ID@","DataTransfer",{"vendorId":"\\u0000","data":"\\ud83d\\ude00"}]',
    '[2,"@ID@","DataTransfer",{"vendorId":"x","data":"\\ud800"}]',
    '[2,"@ID@","StatusNotification",{"connectorId":1e400,"errorCode":"NoError","status":"Available"}]',
    '[2,"@ID@","StatusNotification",{"connectorId":9223372036854775807,"errorCode":"NoError","status":"Available"}]',
    '[2,"@ID@","StopTransaction",{"transactionId":99999999999,"meterStop":-9223372036854775808,"timestamp":"x"}]',
    '{"a":1}',
    "\x00",
    '[2,"@ID@","Heartbeat",{}]' * 3,
]


def payloads(action: str) -> st.SearchStrategy[Any]:
    """What the schema of the action's request allows, and the same with something spoilt."""
    schema = schema_of(PROTOCOL.actions[action].request)
    right = allowed(schema)
    return right | right.flatmap(lambda value: spoilt_value(schema, value))


calls = st.sampled_from(sorted(PROTOCOL.actions)).flatmap(
    lambda action: payloads(action).map(lambda payload: f'[2,"{NUMBER}","{action}",{_json(payload)}]')
)


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A CALL with some characters behind its unique id lost or replaced (two frames must not share a broken id)."""
    frame = draw(calls)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(frame.index(NUMBER) + len(NUMBER), len(frame)))
        frame = frame[:at] + draw(st.sampled_from(["", '"', "{", "]", ",", "0", "\\", "é", "\x7f"])) + frame[at + 1 :]
    return frame


frames = st.one_of(calls, calls, broken(), st.sampled_from(ODD_FRAMES), st.text(max_size=40))
answers = st.sampled_from(
    [
        '[3,"%s",{"status":"Accepted"}]',
        '[3,"%s",{}]',
        '[3,"%s",null]',
        '[3,"%s",{"status":7}]',
        '[4,"%s","X","",[]]',
        "%s",
    ]
)


def _json(payload: Any) -> str:
    return json.dumps(payload, default=lambda value: float(value) if isinstance(value, Decimal) else str(value))


@dataclass
class Tally:
    """What happened."""

    frames: int = 0
    calls: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        answered = ", ".join(f"{kind} {number}" for kind, number in sorted(self.answers.items()))
        return f"{self.frames} frames sent, {self.calls} of them CALLs; answers: {answered}"


class Fuzzer:
    """One charge point; each batch of frames ends with a Heartbeat whose answer shows that all before was handled."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = count(1)
        self._stack = ExitStack()
        self._socket: ClientConnection | None = None
        self.tally = Tally()

    def close(self) -> None:
        self._stack.close()
        self._socket = None

    def send(self, frames: list[str], answer: str) -> None:
        """Send frames; every well-formed CALL among them is answered once, everything else at most once."""
        if self._socket is None:
            subprotocols = [Subprotocol("ocpp1.6")]
            self._socket = self._stack.enter_context(
                connect(self._url, subprotocols=subprotocols, compression=None, max_size=None)
            )
        due: set[str] = set()
        for frame in frames:
            number = f"f{next(self._numbers)}"
            raw = frame.replace(NUMBER, number if f'"{NUMBER}"' in frame else number[1:])
            if (unique_id := well_formed_call(raw)) is not None:
                due.add(unique_id)
                self.tally.calls += 1
            self._socket.send(raw)
            self.tally.frames += 1
        last = f"last{next(self._numbers)}"
        self._socket.send(f'[2,"{last}","Heartbeat",{{}}]')
        got = Counter(self._answers_until(last, answer))
        assert set(got.values()) <= {1}, f"answered twice: {got.most_common(3)} to {frames}"
        missing = due - got.keys()
        assert not missing, f"no answer to {sorted(missing)} of {frames}"

    def _answers_until(self, last: str, answer: str) -> Iterator[str]:
        assert self._socket is not None
        while True:
            try:
                message = json.loads(self._socket.recv(timeout=ANSWER_WITHIN_S))
            except ConnectionClosed as closed:
                raise AssertionError(f"The connection was closed: {closed}") from closed
            if message[0] == 2:
                self._socket.send(answer.replace("%s", message[1]))
                continue
            if str(message[1]) == last:
                return
            self.tally.answers[message[2] if message[0] == 4 else "CALLRESULT"] += 1
            yield str(message[1])


def well_formed_call(raw: str) -> str | None:
    """The unique id of a frame that is a CALL as OCPP-J 1.6 §4.2.1 has it."""
    try:
        frame = msgspec.json.decode(raw.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    if not isinstance(frame, list) or len(frame) < 4 or frame[0] != 2 or frame[0] is True:
        return None
    return frame[1] if isinstance(frame[1], str) and isinstance(frame[2], str) else None


def resident_bytes(pid: int) -> int:
    """How much memory a process holds."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
