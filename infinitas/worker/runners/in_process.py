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
from infinitas.worker.outcomes import failure, success
from infinitas.worker.runners.thread_pool import DaemonThreads

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Runner(Protocol):
    """Runs a call, and stops it as far as that can be done."""

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        """Returns when the code is over."""

    def stop(self, attempt: Attempt) -> None:
        """Have the code be over soon, if it has begun and is not over."""

    def ran_s(self, attempt: Attempt) -> float:
        """How long the processor had run when this process took charge of it, in seconds."""


class AsyncRunner:
    """In the worker's event loop, in the asyncio task of its caller; stopped by cancelling."""

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        attempt.code = asyncio.current_task()
        pid = os.getpid()
        try:
            value = await attempt.task.function(*call[0], **call[1])
        except asyncio.CancelledError:
            return Failed(error="CancelledError: the processor was cancelled")
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            end_a_forked_copy(pid)
            return failure(attempt.task, error)
        finally:
            attempt.code = None
        end_a_forked_copy(pid)
        return success(value)

    def stop(self, attempt: Attempt) -> None:
        if attempt.code is not None:
            attempt.code.cancel()

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0


class ThreadRunner:
    """In a thread, which can't be stopped: it keeps its capacity until it returns."""

    def __init__(self, threads: DaemonThreads) -> None:
        self._threads = threads

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        context = contextvars.copy_context()
        return await self._threads.submit(partial(context.run, _call, attempt, call))

    def stop(self, attempt: Attempt) -> None:
        return

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0


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
