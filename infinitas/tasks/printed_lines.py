"""What one job prints, line by line."""

import contextlib
import threading
from collections.abc import Callable

from infinitas.core.errors import JobEnded

MAX_UNFINISHED_CHARS = 8_000


class PrintedLines:
    """Cuts printed text into lines of the job's log. Each thread has its own unfinished line.

    Args:
        log: adds a line of a level to the job's log.
    """

    def __init__(self, log: Callable[[str, str], object]) -> None:
        self._log = log
        self._unfinished: dict[int, str] = {}
        # Reentrant: a finalizer or a signal handler may print in the middle of a print of its own thread.
        self._lock = threading.RLock()

    def write(self, text: str) -> None:
        """Log the lines that are complete. Raises JobEnded."""
        thread = threading.get_ident()
        with self._lock:
            *lines, rest = (self._unfinished.pop(thread, "") + text).split("\n")
            if len(rest) > MAX_UNFINISHED_CHARS:
                lines, rest = [*lines, rest], ""
            if rest:
                self._unfinished[thread] = rest
        for line in lines:
            self._log("print", _as_shown(line))

    def finish(self) -> None:
        """Log what has no newline yet; nothing if the job is over."""
        with self._lock:
            rest, self._unfinished = list(self._unfinished.values()), {}
        with contextlib.suppress(JobEnded):
            for line in rest:
                self._log("print", _as_shown(line))


def _as_shown(line: str) -> str:
    """A terminal shows what follows the last carriage return: of a progress bar its last state."""
    return line.rstrip("\r").rpartition("\r")[2]
