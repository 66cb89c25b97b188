"""Which job runs here."""

import os
import threading
from contextvars import ContextVar
from typing import Protocol

from infinitas.tasks.job import Job, Reporter
from infinitas.tasks.printed_lines import PrintedLines


class Running(Reporter, Protocol):
    """A job that runs, and where its calls go."""

    prints: PrintedLines | None
    """Set if its task has `capture_print`."""

    @property
    def job(self) -> Job: ...


current: ContextVar[Running | None] = ContextVar("infinitas_job", default=None)
"""The job that runs in this context; tasks that a processor starts and `asyncio.to_thread` inherit it."""
_of_process: Running | None = None
_outside: frozenset[threading.Thread] = frozenset()


def current_job() -> Job | None:
    """The job whose processor calls this, at any depth; None outside of a job.

    It works in async code, in the thread of a plain function, in a process of `runner="process"` and in the
    testing kit. A thread that the processor starts itself is outside, unless it runs in the processor's
    context: `asyncio.to_thread(f)`, or `pool.submit(contextvars.copy_context().run, f)`.

    Returns:
        The same object that a parameter annotated `Job` receives.

    >>> import asyncio
    >>> from infinitas import current_job
    >>> from infinitas.testing import run_inline
    >>> def place() -> str:
    ...     job = current_job()
    ...     return f"attempt {job.attempt} of {job.task}" if job else "outside of a job"
    >>> place()
    'outside of a job'
    >>> @app.task
    ... def restock() -> str:
    ...     return place()
    >>> asyncio.run(run_inline(restock)).result
    'attempt 1 of restock'
    """
    running = running_here()
    return None if running is None else running.job


def running_here() -> Running | None:
    """The running job of this context or, in a job's own process, of the process."""
    running = current.get()
    if running is None and _of_process is not None:
        here = threading.current_thread()
        return None if here in _outside and here is not threading.main_thread() else _of_process
    return running


def give_process_to(running: Running | None, outside: frozenset[threading.Thread] = frozenset()) -> None:
    """This process belongs to one job: its threads are inside it, but for those of earlier jobs.

    Args:
        outside: threads that ran before this job; the main thread is inside all the same.
    """
    global _of_process, _outside
    _of_process, _outside = running, outside
    current.set(running)


# A copy of the process has no connection to report over: what it logs and prints goes its usual way.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: give_process_to(None))
