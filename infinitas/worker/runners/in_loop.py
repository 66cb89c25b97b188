"""Runs async functions in the worker's event loop.

Whatever the processor raises becomes an outcome: a `SystemExit` fails the job and doesn't end the worker.
"""

import asyncio
import os
from collections.abc import Callable

from infinitas.core.verdict import Outcome
from infinitas.tasks.processors import awaited, is_awaitable
from infinitas.worker.attempt import Attempt
from infinitas.worker.outcomes import failure, returned
from infinitas.worker.runners.interface import Call


class AsyncRunner:
    """Runs async functions in the caller's asyncio task; stops them by cancelling it."""

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        return await self.finish(attempt, lambda: attempt.task.function(*call[0], **call[1]))

    async def finish(self, attempt: Attempt, begin: Callable[[], object]) -> Outcome:
        """Await what `begin` returns, as the code of the attempt."""
        attempt.code = asyncio.current_task()
        pid = os.getpid()
        try:
            value = begin()
            value = await awaited(await value if is_awaitable(value) else value)
            end_a_forked_copy(pid)
            # Also the end of the code: the watchdog interrupts a result that is encoded without end.
            return returned(attempt.task, value)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
            end_a_forked_copy(pid)
            return failure(attempt.task, error)
        finally:
            attempt.code = None

    def stop(self, attempt: Attempt) -> None:
        if attempt.code is not None:
            attempt.code.cancel()

    def ran_s(self, attempt: Attempt) -> float:
        return 0.0


def end_a_forked_copy(pid: int) -> None:
    """End this process if it is not `pid`.

    A processor that forks returns in both processes; the copy must not act as a second worker.
    """
    if os.getpid() != pid:
        os._exit(0)
