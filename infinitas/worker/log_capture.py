"""Adds to a job's log what its processor writes through `logging`.

It works inside `logging.Logger`, not as a handler: a program may replace all handlers, switch off
propagation or disable loggers at any time. In place since its first use, it keeps nothing outside of jobs.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator

from infinitas.core.errors import JobEnded
from infinitas.runtime.logging import FACTS, is_ours, report_broken_handler
from infinitas.runtime.record_text import text_of
from infinitas.tasks.current_job import Running, running_here
from infinitas.tasks.task import AnyTask
from infinitas.worker.print_capture import capturing_prints, inside_logging

_is_enabled_for = logging.Logger.isEnabledFor
_handle = logging.Logger.handle
_call_handlers = logging.Logger.callHandlers
_installed = False
MOST_NESTED = 4
"""Handlers may log, and objects while they are formatted; one that logs without end is cut off."""


@contextlib.contextmanager
def capturing(tasks: Iterable[AnyTask]) -> Iterator[None]:
    """Capture log records, and prints if one of `tasks` has `capture_print`, while the block lasts.

    Blocks may overlap, as those of several workers in one program do: each line is kept once.
    """
    _install()
    prints = any(task.definition.capture_print for task in tasks)
    with capturing_prints() if prints else contextlib.nullcontext():
        yield


def _install() -> None:
    """Once: libraries that replace the same methods later call ours, and must stay in front."""
    global _installed, _is_enabled_for, _handle, _call_handlers
    if _installed:
        return
    _installed = True
    _is_enabled_for = logging.Logger.isEnabledFor
    _handle = logging.Logger.handle
    _call_handlers = logging.Logger.callHandlers
    logging.Logger.isEnabledFor = _is_enabled_for_job  # type: ignore[method-assign]
    logging.Logger.handle = _handle_for_job  # type: ignore[method-assign]
    logging.Logger.callHandlers = _call_handlers_for_job  # type: ignore[method-assign]


def _is_enabled_for_job(self: logging.Logger, level: int) -> bool:
    """Also true for a logger that a set-up has disabled: its records go to the job's log alone."""
    if _is_enabled_for(self, level):
        return True
    if not self.disabled or running_here() is None:
        return False
    return level > self.manager.disable and level >= self.getEffectiveLevel()


def _handle_for_job(self: logging.Logger, record: logging.LogRecord) -> None:
    """A handler or filter that raises does not break the job."""
    running, depth = running_here(), inside_logging.get()
    if running is None:
        _handle(self, record)
        return
    if depth == MOST_NESTED:
        return
    token = inside_logging.set(depth + 1)
    try:
        if not self.disabled:
            _handle(self, record)
        elif filtered := self.filter(record):
            _keep(running, filtered if isinstance(filtered, logging.LogRecord) else record)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - handlers of any program
        report_broken_handler(error)
    finally:
        inside_logging.reset(token)


def _call_handlers_for_job(self: logging.Logger, record: logging.LogRecord) -> None:
    running = running_here()
    if running is not None:
        if not hasattr(record, FACTS):
            job = running.job
            setattr(record, FACTS, {"task": job.task, "job": job.id, "attempt": job.attempt})
        _keep(running, record)
    elif not hasattr(record, FACTS):
        # A program's format with `%(infinitas)s` would fail for a record without it.
        setattr(record, FACTS, "")
    _call_handlers(self, record)


def _keep(running: Running, record: logging.LogRecord) -> None:
    if not is_ours(record):
        with contextlib.suppress(JobEnded):
            running.log(str(record.levelname).lower(), text_of(record))
