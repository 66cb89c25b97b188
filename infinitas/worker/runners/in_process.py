"""Runs a processor in the worker's process: async functions in its loop, sync functions in threads.

Whatever the processor raises becomes an outcome: a `SystemExit` fails the job and doesn't end the worker.
"""

import asyncio
import contextvars
import inspect
import os
from collections.abc import Callable
from functools import partial

from infinitas.core.verdict import Failed, Outcome
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import failure, success
from infinitas.worker.runners.interface import Call
from infinitas.worker.runners.thread_pool import DaemonThreads


class AsyncRunner:
    """Runs async functions in the caller's asyncio task; stops them by cancelling it."""

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
        return success(attempt.task, value)

    def stop(self, attempt: Attempt) -> None:
        if attempt.code is not None:
            attempt.code.cancel()

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0


class ThreadRunner:
    """Runs sync functions in threads. A thread can't be stopped: it uses capacity until it returns."""

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
    """End this process if it is not `pid`.

    A processor that forks returns in both processes; the copy must not act as a second worker.
    """
    if os.getpid() != pid:
        os._exit(0)


def _call(attempt: Attempt, call: Call) -> Outcome:
    pid = os.getpid()
    try:
        value = attempt.task.run_code(attempt.job, partial(attempt.task.function, *call[0], **call[1]))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
        end_a_forked_copy(pid)
        return failure(attempt.task, error)
    end_a_forked_copy(pid)
    return success(attempt.task, value)
