"""Adds to a job's log what its processor prints, if its task has `capture_print`.

It replaces the method `write` of the stream in `sys.stdout`, and only while a worker runs: the stream
itself stays the one that other code has.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TextIO

from infinitas.core.errors import JobEnded
from infinitas.tasks.current_job import running_here

_Write = Callable[[str], int]


inside_logging: ContextVar[int] = ContextVar("infinitas_inside_logging", default=0)
"""How many calls of `logging` this code is in. A handler on stdout prints what the log has already."""


def take_stdout() -> None:
    """Capture what is printed to the present `sys.stdout`: the program may have replaced it."""
    _stdout.take(sys.stdout)


@contextlib.contextmanager
def capturing_prints() -> Iterator[None]:
    """Prints of jobs that ask for it go into their logs, while the block lasts. Blocks may overlap."""
    _stdout.begin()
    try:
        yield
    finally:
        _stdout.end()


class _Stdout:
    """The streams whose `write` is replaced."""

    def __init__(self) -> None:
        self._blocks = 0
        self._taken: list[tuple[TextIO, _Write, _Write | None]] = []
        """Stream, our `write`, and the one that some other code had set before."""
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self._blocks += 1
        self.take(sys.stdout)

    def end(self) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks:
                return
            for stream, write, before in self._taken:
                # Other code may have put its own in front: then ours stays behind it and passes all on.
                if vars(stream).get("write") is write:
                    del stream.write
                    if before is not None:
                        stream.write = before  # type: ignore[method-assign]
            self._taken.clear()

    def take(self, stream: TextIO | None) -> None:
        with self._lock:
            if stream is None or not self._blocks or any(stream is each[0] for each in self._taken):
                return
            try:
                write, before = _writer(stream), getattr(stream, "__dict__", {}).get("write")
                stream.write = write  # type: ignore[method-assign]
            except AttributeError:
                return  # An object of the program that allows no attribute: nothing is captured.
            self._taken.append((stream, write, before))


_stdout = _Stdout()


def _writer(stream: TextIO) -> _Write:
    original: _Write = stream.write

    def write(text: str, /) -> int:
        running = running_here()
        prints = None if running is None or inside_logging.get() else running.prints
        if prints is None or not isinstance(text, str):
            return original(text)
        try:
            prints.write(text)
        except JobEnded:
            return original(text)
        return len(text)

    return write
