"""The log lines of one attempt, within what a job may log."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from infinitas.core.codec import to_ms
from infinitas.core.names import clean_level
from infinitas.core.plural import counted
from infinitas.core.text import clean
from infinitas.tasks.job import OnError
from infinitas.worker.outbox import Outbox
from infinitas.worker.unsent import Line

MAX_LINES = 10_000
MAX_CHARS = 1_000_000
MAX_LINE_CHARS = 8_000
YIELD_EVERY = 25
NOTES_FROM = 1 << 30
"""First number of the worker's own lines: a remote processor numbers its lines itself, from 0."""


class AttemptLog:
    """Numbers, bounds and cleans log lines. Thread-safe.

    Args:
        send: puts a line into the outbox.
    """

    def __init__(self, outbox: Outbox, send: Callable[[Line], None]) -> None:
        self._lock = outbox.reports.lock
        self._loop_thread = outbox.thread
        self._send = send
        self._number = self._lines = self._chars = self._dropped = 0

    def add(self, level: str, text: str, on_error: OnError | None = None) -> None:
        """Send a processor's line, or count it as dropped if the job has logged too much."""
        self.add_numbered(Line(self._next_number(), _now_ms(), level, text, on_error))

    def add_numbered(self, line: Line) -> None:
        """`add` for a line that has its number already."""
        text = line.text
        with self._lock:
            fits = self._lines < MAX_LINES and self._chars < MAX_CHARS
            self._lines += 1
            self._dropped += 0 if fits else 1
            self._chars += min(len(text), MAX_LINE_CHARS) if fits else 0
        if not fits:
            if self._dropped % YIELD_EVERY == 0 and threading.get_ident() != self._loop_thread:
                # A flood from a thread yields to the worker's loop, and so to the other jobs.
                time.sleep(0)
            return
        text = clean(text)
        if len(text) > MAX_LINE_CHARS:
            text = f"{text[:MAX_LINE_CHARS]} … {len(text) - MAX_LINE_CHARS:,} characters dropped"
        self._send(replace(line, level=clean_level(line.level), text=text))

    def note(self, level: str, text: str) -> None:
        """Send a line of the worker's own about the job; it is never dropped."""
        self._send(Line(NOTES_FROM + self._next_number(), _now_ms(), level, clean(text)))

    def note_dropped(self) -> None:
        """Send a line with the number of dropped lines, if there are any."""
        if self._dropped:
            self.note(
                "warning",
                f"… {counted(self._dropped, 'line')} dropped: a job keeps {MAX_LINES:,} lines, 1 MB",
            )

    def _next_number(self) -> int:
        with self._lock:
            self._number += 1
            return self._number - 1


def _now_ms() -> int:
    return to_ms(datetime.now(UTC))
