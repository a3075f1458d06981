"""What a load generator counts, and the lines in which it tells the benchmark.

A load generator is a process of its own. It prints one JSON object a line: ``Phase`` when a phase begins, so that the
CPU time of the measured processes is read at the same moments, and a ``Result`` last.
"""

import math
import sys
import time
from array import array
from collections import Counter
from typing import Any

import msgspec

ERRORS_SHOWN = 5


class Phase(msgspec.Struct, tag="phase"):
    """A phase begins: ``begin`` and ``end`` of the measurement, ``connected`` in between where there is a ramp."""

    name: str


class Result(msgspec.Struct, tag="result"):
    """What came out; latencies in milliseconds."""

    calls: int
    """CALLs answered within the measurement."""
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    """Wrong answers, missing answers, lost connections, over the whole run."""
    error_samples: list[str]
    answers: dict[str, int]
    """Right answers by action over the whole run, to be compared with the rows in the database."""
    commands: int
    """CALLs of the central system that were answered."""
    connections: int
    load_cpu_s: float
    """The load generator's own CPU time within the measurement."""

    @property
    def calls_per_s(self) -> float:
        return self.calls / self.seconds if self.seconds else 0.0


Line = Phase | Result
_encoder = msgspec.json.Encoder()
_decoder: "msgspec.json.Decoder[Line]" = msgspec.json.Decoder(Line)


def read_line(line: bytes | str) -> Line:
    """A line of a load generator; raises ``msgspec.DecodeError``."""
    return _decoder.decode(line)


def write_line(line: Line) -> None:
    """Tell the benchmark."""
    sys.stdout.write(_encoder.encode(line).decode() + "\n")
    sys.stdout.flush()


class Tally:
    """Counts answers, errors and latencies; latencies only between ``begin`` and ``end``."""

    def __init__(self) -> None:
        self.latencies_s = array("d")
        self.answers: Counter[str] = Counter()
        self.errors = 0
        self.error_samples: list[str] = []
        self.commands = 0
        self.connections = 0
        self.is_counting = False
        self._began = self._ended = 0.0
        self._cpu_began = self._cpu_ended = 0.0

    def begin(self) -> None:
        """From here on it counts."""
        write_line(Phase("begin"))
        self.is_counting = True
        self._cpu_began, self._began = time.process_time(), time.perf_counter()

    def end(self) -> None:
        """Up to here it counted."""
        self._cpu_ended, self._ended = time.process_time(), time.perf_counter()
        self.is_counting = False
        write_line(Phase("end"))

    def answered(self, action: str, latency_s: float) -> None:
        """A right answer."""
        self.answers[action] += 1
        if self.is_counting:
            self.latencies_s.append(latency_s)

    def failed(self, problem: str) -> None:
        """A wrong or missing answer, or a lost connection."""
        self.errors += 1
        if len(self.error_samples) < ERRORS_SHOWN:
            self.error_samples.append(problem)

    def result(self) -> Result:
        """Everything, once the run is over."""
        ordered = sorted(self.latencies_s)
        return Result(
            calls=len(ordered),
            seconds=self._ended - self._began,
            p50_ms=percentile(ordered, 50) * 1000,
            p99_ms=percentile(ordered, 99) * 1000,
            max_ms=ordered[-1] * 1000 if ordered else 0.0,
            errors=self.errors,
            error_samples=self.error_samples,
            answers=dict(self.answers),
            commands=self.commands,
            connections=self.connections,
            load_cpu_s=self._cpu_ended - self._cpu_began,
        )


def percentile(ordered: Any, percent: float) -> float:
    """The nearest-rank percentile of ascending values; 0 where there are none."""
    if not ordered:
        return 0.0
    value: float = ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
    return value
