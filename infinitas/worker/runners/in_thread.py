"""Runs other functions in threads of the worker's process."""

import asyncio
import contextvars
import os
from dataclasses import dataclass
from functools import partial

from infinitas.core.errors import JobTimedOut
from infinitas.core.verdict import Failed, Outcome
from infinitas.tasks.processors import discard, is_awaitable
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import failure, returned
from infinitas.worker.runners.in_loop import AsyncRunner, end_a_forked_copy
from infinitas.worker.runners.interface import Call
from infinitas.worker.runners.thread_pool import DaemonThreads


class ThreadRunner:
    """Runs sync functions in threads. A thread can't be stopped: it uses capacity until it returns.

    An awaitable that such a function returns, as a plain wrapper of an async function does, is awaited
    in the worker's loop, in the context of the call.
    """

    def __init__(self, threads: DaemonThreads, in_loop: AsyncRunner) -> None:
        self._threads = threads
        self._in_loop = in_loop

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        context = contextvars.copy_context()
        found = await self._threads.submit(partial(context.run, _call, attempt, call))
        if not isinstance(found, _Unfinished):
            return found
        return await asyncio.create_task(self._finish(attempt, found.value), context=context)

    async def _finish(self, attempt: Attempt, value: object) -> Outcome:
        if attempt.interruption is not None or attempt.end_is(JobTimedOut):
            discard(value)
            return Failed(error="its time was over when the call returned")
        return await self._in_loop.finish(attempt, lambda: value)

    def stop(self, attempt: Attempt) -> None:
        self._in_loop.stop(attempt)

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0


@dataclass(slots=True)
class _Unfinished:
    """What a call in a thread has returned: still to be awaited."""

    value: object


def _call(attempt: Attempt, call: Call) -> Outcome | _Unfinished:
    pid = os.getpid()
    try:
        value = attempt.task.run_code(attempt.job, partial(attempt.task.function, *call[0], **call[1]))
        end_a_forked_copy(pid)
        return _Unfinished(value) if is_awaitable(value) else returned(attempt.task, value)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
        end_a_forked_copy(pid)
        return failure(attempt.task, error)
