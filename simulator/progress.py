"""Shows a running simulation: a live table on a terminal, log lines everywhere else.

Above the table runs what should not be missed: CALLERRORs, lost connections, refused handshakes. Respects NO_COLOR
(no-color.org).
"""

import asyncio
import os
import shutil
import sys
import time
from datetime import datetime
from typing import TextIO

from simulator.fleet import Simulator
from simulator.ledger import Entry, LedgerEvent
from simulator.table import Painter, alarm, cut, footer, last_words, news, table

REFRESH_S = 0.25
MOST_LINES_AT_ONCE = 8
"""When thousands have something to say in one moment, nobody reads a line of each."""
MANY = 20
"""From here on log lines tell about all together, and alarms, but no news of each."""
LOG_SUMMARY_S = 10.0

_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Progress:
    """Give ``listen`` to the simulator, run ``show`` as a task until the end, then call ``finish``."""

    def __init__(self, url: str, output: TextIO | None = None, *, is_quiet: bool = False) -> None:
        """``is_quiet`` leaves nothing but alarms and the last words."""
        self._url = url
        self._output = output or sys.stdout
        is_terminal = self._output.isatty() and os.environ.get("TERM", "") != "dumb"
        self._is_live = is_terminal and not is_quiet
        self._painter = Painter(is_terminal and not os.environ.get("NO_COLOR"))
        self._is_quiet = is_quiet
        self._is_many = False
        self._waiting: dict[str, list[str]] = {}
        self._unreachable: set[str] = set()
        self._shown_lines = 0
        self._started_at = time.monotonic()

    def listen(self, identity: str, entry: Entry) -> None:
        """Take a line of a ledger."""
        words = self._words_about(identity, entry)
        if words:
            at = datetime.now().astimezone()  # the charge point's own clock may be anywhere
            self._waiting.setdefault(f"{at:%H:%M:%S} {{}} {words}", []).append(identity)

    async def show(self, simulator: Simulator) -> None:
        """Refresh until cancelled."""
        self._is_many = len(simulator.charge_points) > MANY
        next_summary_at = time.monotonic() + LOG_SUMMARY_S
        if self._is_live:
            self._output.write(_HIDE_CURSOR)
        try:
            while True:
                self._refresh(simulator)
                if not self._is_live and not self._is_quiet and time.monotonic() >= next_summary_at:
                    next_summary_at += LOG_SUMMARY_S
                    self._print([footer(simulator.summary(), self._painter, 1000)])
                await asyncio.sleep(REFRESH_S)
        finally:
            self._refresh(simulator)
            if self._is_live:
                self._output.write(_SHOW_CURSOR)
                self._output.flush()

    def finish(self, simulator: Simulator) -> None:
        """The last words."""
        self._print([*self.take_lines(), *last_words(simulator.summary())])

    def _words_about(self, identity: str, entry: Entry) -> str:
        words = alarm(entry)
        if entry.event is LedgerEvent.connection_failed:
            if identity in self._unreachable:
                return ""  # said once, not with every attempt
            self._unreachable.add(identity)
        elif entry.event is LedgerEvent.disconnected and words:
            self._unreachable.add(identity)
        elif entry.event is LedgerEvent.connected and identity in self._unreachable:
            self._unreachable.discard(identity)
            return self._painter.paint("connected again", "green")
        if words:
            return self._painter.paint(words, "red")
        return "" if self._is_live or self._is_quiet or self._is_many else news(entry)

    def _refresh(self, simulator: Simulator) -> None:
        if not self._is_live:
            self._print(self.take_lines())
            return
        size = shutil.get_terminal_size()
        width, height = size.columns - 1, size.lines - 1
        elapsed_s = time.monotonic() - self._started_at
        block = table(simulator, self._url, elapsed_s, self._painter, width, height)
        up = f"\x1b[{self._shown_lines}A" if self._shown_lines else ""
        lines = [*self.take_lines(width), *block]
        text = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines)
        self._output.write(f"\r{up}{text}{_CLEAR_BELOW}")
        self._output.flush()
        self._shown_lines = len(block)

    def take_lines(self, width: int | None = None) -> list[str]:
        """What came up since the last time: the same of several charge points in one line, and not too many lines."""
        waiting, self._waiting = self._waiting, {}
        lines = [line.replace("{}", _who(identities), 1) for line, identities in waiting.items()]
        if len(lines) > MOST_LINES_AT_ONCE and (self._is_live or self._is_many):
            left = len(lines) - MOST_LINES_AT_ONCE
            lines = [*lines[:MOST_LINES_AT_ONCE], f"… and {left} lines more"]
        room = None if width is None else width + (len(self._painter.paint(" ", "red")) - 1)
        return lines if room is None else [cut(line, room) for line in lines]

    def _print(self, lines: list[str]) -> None:
        if lines:
            print("\n".join(lines), file=self._output, flush=True)


def _who(identities: list[str]) -> str:
    return identities[0] if len(identities) == 1 else f"{identities[0]} and {len(identities) - 1} more"
