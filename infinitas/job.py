"""The job as its processor sees it: a parameter annotated `Job` receives one."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from datetime import datetime
from typing import Any, Protocol

from infinitas.core.codec import encode_payload
from infinitas.core.errors import BadArgs
from infinitas.core.verdict import Failed, Succeeded

TimeoutCallback = Callable[[float], object]


class Reporter(Protocol):
    """Where a job's words go; the worker implements it, so does the testing kit."""

    def log(self, level: str, text: str) -> None: ...
    def progress(self, value: float | None, step: str | None) -> None: ...
    async def settle(self, outcome: Succeeded | Failed) -> None: ...


class Job:
    """One attempt at a job.

    Attributes:
        id: the job's id; a slot's job is named by schedule and slot time.
        attempt: 1 for the first execution; it is the fence, so pass it on to guard outside writes.
        due: the slot's nominal time, or when the job was sent (UTC).
        schedule: key of the schedule that fired it, or None.
    """

    def __init__(
        self,
        *,
        id: str,
        task: str,
        attempt: int,
        due: datetime,
        schedule: str | None,
        reporter: Reporter,
    ) -> None:
        self.id = id
        self.task = task
        self.attempt = attempt
        self.due = due
        self.schedule = schedule
        self.timeout_callbacks: list[TimeoutCallback] = []
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()

    def on_timeout(self, callback: TimeoutCallback) -> None:
        """Call `callback(limit_in_seconds)` if this attempt runs out of time."""
        self.timeout_callbacks.append(callback)

    def log(self, text: object, level: str = "info") -> None:
        """Keep a line with the job.

        Raises:
            JobEnded: the job is over (a job that timed out still keeps its lines).
        """
        self._reporter.log(level, str(text))

    def progress(self, value: float | str | None = None, step: str | None = None) -> Awaitable[None]:
        """Say how far the job is: a float from 0 to 1, a step, or both.

        Raises:
            BadArgs: the value is not a number from 0 to 1.
            JobEnded: the job is over.
        """
        if isinstance(value, str):
            value, step = None, value
        if value is not None and not 0 <= value <= 1:
            raise BadArgs(f"Progress is a number from 0 to 1, not {value!r}.")
        self._reporter.progress(value, step)
        return _Nothing()

    def done(self, result: object = None) -> Awaitable[None]:
        """Settle the job as succeeded, with a result that has a JSON form. Blocks in sync code.

        Raises:
            JobDone, JobFailed, JobTimedOut, JobCancelled, JobLost: the job ended before.
            BadArgs, PayloadTooLarge: the result can't be stored.
        """
        text = None if result is None else encode_payload(result, "result")
        return self._settle(Succeeded(result=text))

    def fail(self, error: object) -> Awaitable[None]:
        """Settle the attempt as failed. Blocks in sync code.

        Raises:
            JobDone, JobFailed, JobTimedOut, JobCancelled, JobLost: the job ended before.
        """
        return self._settle(Failed(error=str(error)))

    def _settle(self, outcome: Succeeded | Failed) -> Awaitable[None]:
        """In the worker's loop: a task that runs also when nobody awaits it; in a thread: wait."""
        coroutine: Coroutine[Any, Any, None] = self._reporter.settle(outcome)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
            return _Nothing()
        return asyncio.ensure_future(coroutine)


class _Nothing:
    """An awaitable that is done already."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield
