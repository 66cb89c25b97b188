"""Two ways to run a processor here: async functions in the loop, sync functions in threads.

A runner turns whatever the processor does into an outcome. `SystemExit` in somebody's code is a
failed job, not the end of the worker.
"""

import asyncio
import contextvars
import inspect
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from infinitas.core.verdict import Failed, Outcome
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcome import failure, success
from infinitas.worker.threads import DaemonThreads

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Runner(Protocol):
    """Starts a call, and stops it as far as that can be done."""

    def start(self, attempt: Attempt, call: Call) -> "asyncio.Future[Outcome]": ...
    def stop(self, attempt: Attempt, running: "asyncio.Future[Outcome]") -> None: ...


class AsyncRunner:
    """In the worker's event loop; stopped by cancelling."""

    def start(self, attempt: Attempt, call: Call) -> "asyncio.Future[Outcome]":
        return asyncio.ensure_future(self._run(attempt, call))

    def stop(self, attempt: Attempt, running: "asyncio.Future[Outcome]") -> None:
        running.cancel()

    async def _run(self, attempt: Attempt, call: Call) -> Outcome:
        pid = os.getpid()
        try:
            value = await attempt.task.function(*call[0], **call[1])
        except asyncio.CancelledError:
            return Failed(error="CancelledError: the processor was cancelled")
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            end_a_forked_copy(pid)
            return failure(attempt.task, error)
        end_a_forked_copy(pid)
        return success(value)


class ThreadRunner:
    """In a thread, which can't be stopped: it keeps its slot until it returns."""

    def __init__(self, threads: DaemonThreads) -> None:
        self._threads = threads

    def start(self, attempt: Attempt, call: Call) -> "asyncio.Future[Outcome]":
        context = contextvars.copy_context()
        return self._threads.submit(partial(context.run, _call, attempt, call))

    def stop(self, attempt: Attempt, running: "asyncio.Future[Outcome]") -> None:
        return


def is_async(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function)


def end_a_forked_copy(pid: int) -> None:
    """A processor that forked comes back twice; the copy must not act as a second worker."""
    if os.getpid() != pid:
        os._exit(0)


def _call(attempt: Attempt, call: Call) -> Outcome:
    pid = os.getpid()
    try:
        value = attempt.task.function(*call[0], **call[1])
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
        end_a_forked_copy(pid)
        return failure(attempt.task, error)
    end_a_forked_copy(pid)
    return success(value)
