"""Adds to a job's log what its processor writes without a `Job`: `logging`, and `print` if its task
has `capture_print`."""

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
"""The reporter of the job that runs here; threads and tasks that a processor starts inherit it."""
printing: ContextVar[bool] = ContextVar("infinitas_printing", default=False)
"""Whether the job that runs here captures `print`."""
MAX_UNFINISHED_CHARS = 8_000


class JobLogHandler(logging.Handler):
    """Adds log records of a processor to its job's log."""

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
    """Capture log records, and prints if one of `tasks` has `capture_print`, while the block lasts.

    Blocks may overlap, as those of several workers in one program do: each line is kept once.
    """
    with _handler.attached(), Prints() if _any_prints(tasks) else contextlib.nullcontext():
        yield


def _any_prints(tasks: Iterable[AnyTask]) -> bool:
    return any(task.definition.capture_print for task in tasks)


class _SharedHandler:
    """One handler on the root logger, as long as at least one block needs it."""

    def __init__(self) -> None:
        self._blocks = 0
        self._handler = JobLogHandler()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        with self._lock:
            self._blocks += 1
            logging.getLogger().addHandler(self._handler)
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if self._blocks == 0:
                    logging.getLogger().removeHandler(self._handler)


_handler = _SharedHandler()


class Prints(io.TextIOBase):
    """Replaces `sys.stdout`: adds lines of jobs that capture them to their logs, passes on the rest."""

    def __init__(self) -> None:
        self._stdout = sys.stdout
        self._unfinished: ContextVar[str] = ContextVar("infinitas_unfinished", default="")

    def write(self, text: str) -> int:
        reporter = current.get()
        if reporter is None or not printing.get():
            return self._stdout.write(text)
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
        self._stdout.flush()

    def __enter__(self) -> "Prints":
        sys.stdout = self
        return self

    def __exit__(self, *_: object) -> None:
        # If other code has replaced `sys.stdout` since, this object stays in its chain and passes all on.
        if sys.stdout is self:
            sys.stdout = self._stdout
