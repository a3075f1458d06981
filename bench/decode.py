"""``python -m bench.decode``: how long a MeterValues CALL with three samples takes to become a typed message."""

import statistics
import time

from bench.mix import Mix
from ocppj import frames
from ocppj.frames import Call
from ocppj.v16 import PROTOCOL

ROUNDS = 5
TIMES = 5_000


def meter_values_call() -> bytes:
    """The frame as the load generator sends it."""
    mix = Mix(1)
    while mix.action != "MeterValues":
        mix.advance()
    return mix.next_call()


def decode_us() -> float:
    """Microseconds for frame and payload together: the median of a few rounds."""
    raw = meter_values_call()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TIMES):
            frame = frames.decode(raw)
            assert isinstance(frame, Call)
            PROTOCOL.decode_request(frame.action, frame.payload)
        rounds.append((time.perf_counter() - began) / TIMES)
    return statistics.median(rounds) * 1e6


if __name__ == "__main__":
    print(f"{decode_us():.2f} µs for a MeterValues CALL with three samples")
