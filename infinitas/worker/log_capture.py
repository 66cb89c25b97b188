"""What a processor says without a Job: `logging` always, `print` where its task asks for it."""

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar

from infinitas.core.errors import JobEnded
from infinitas.tasks.job import Reporter
from infinitas.tasks.task import AnyTask

current: ContextVar[Reporter | None] = ContextVar("infinitas_job", default=None)
"""Whose code runs here; threads and tasks that a processor starts inherit it."""
printing: ContextVar[bool] = ContextVar("infinitas_printing", default=False)
MAX_UNFINISHED_CHARS = 8_000


class JobLogHandler(logging.Handler):
    """Keeps what a processor logs through `logging` with its job."""

    def emit(self, record: logging.LogRecord) -> None:
        reporter = current.get()
        if reporter is None or record.name.startswith("infinitas."):
            return
        try:
            reporter.log(record.levelname.lower(), self.format(record))
        except JobEnded:
            return
        except Exception:  # noqa: BLE001 - logging's contract: a bad record is reported, not raised
            self.handleError(record)


@contextlib.contextmanager
def capturing(tasks: Iterable[AnyTask]) -> Iterator[None]:
    """Keep what processors log, and print where one of `tasks` asks for it, while the block lasts.

    Blocks may overlap, as those of several workers in one program do: each line is kept once.
    """
    with _users.one_more(), Prints() if _any_prints(tasks) else contextlib.nullcontext():
        yield


def _any_prints(tasks: Iterable[AnyTask]) -> bool:
    return any(task.definition.capture_print for task in tasks)


class _Users:
    """The handler is on the root logger while anybody needs it."""

    def __init__(self) -> None:
        self._count = 0
        self._handler = JobLogHandler()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        with self._lock:
            self._count += 1
            logging.getLogger().addHandler(self._handler)
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if self._count == 0:
                    logging.getLogger().removeHandler(self._handler)


_users = _Users()


class Prints(io.TextIOBase):
    """Stands in for `sys.stdout`: lines of jobs that capture them go there, all others through."""

    def __init__(self) -> None:
        self._through = sys.stdout
        self._unfinished: ContextVar[str] = ContextVar("infinitas_unfinished", default="")

    def write(self, text: str) -> int:
        reporter = current.get()
        if reporter is None or not printing.get():
            return self._through.write(text)
        *lines, rest = (self._unfinished.get() + text).split("\n")
        if len(rest) > MAX_UNFINISHED_CHARS:
            lines, rest = [*lines, rest], ""
        self._unfinished.set(rest)
        try:
            for line in lines:
                reporter.log("print", line)
        except JobEnded:
            pass
        return len(text)

    def flush(self) -> None:
        self._through.flush()

    def __enter__(self) -> "Prints":
        sys.stdout = self
        return self

    def __exit__(self, *_: object) -> None:
        # One that somebody has put another in front of stays, and passes everything through.
        if sys.stdout is self:
            sys.stdout = self._through
