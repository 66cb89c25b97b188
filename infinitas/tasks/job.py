"""The job as its processor sees it: a parameter annotated `Job` receives one."""

from collections.abc import Awaitable, Callable, Generator, Mapping
from datetime import datetime
from typing import Any, Protocol

from pydantic_core import from_json

from infinitas.core.codec import encode_payload
from infinitas.core.errors import BadArgs, InfinitasError
from infinitas.core.names import clean_level, shorten
from infinitas.core.numbers import is_number
from infinitas.core.text import clean
from infinitas.core.verdict import Failed, Succeeded

LimitCallback = Callable[[float], object]
OnError = Callable[[InfinitasError], object]
MAX_STEP_CHARS, MAX_FAIL_CHARS = 200, 2_000
TIMEOUT, SOFT_TIMEOUT = "timeout", "soft_timeout"


class Reporter(Protocol):
    """Where a job's words go: the worker has one, a process of its own another, so has the testing kit."""

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None: ...
    def progress(self, value: float | None, step: str | None) -> None: ...
    def checkpoint(self, text: str) -> Awaitable[None]: ...
    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]: ...


class Job:
    """One attempt at a job.

    Attributes:
        id: the job's id; a slot's job is named by schedule and slot time.
        attempt: 1 for the first execution; it is the fence, so pass it on to guard outside writes.
        due: the slot's nominal time, or when the job was to run (UTC).
        schedule: key of the schedule that fired it, or None.
        headers: context that the sender or a plugin put in, e.g. a trace id.
    """

    def __init__(
        self,
        *,
        id: str,
        task: str,
        attempt: int,
        due: datetime,
        schedule: str | None,
        headers: Mapping[str, str],
        last_checkpoint: str | None,
        reporter: Reporter,
    ) -> None:
        self.id = id
        self.task = task
        self.attempt = attempt
        self.due = due
        self.schedule = schedule
        self.headers = dict(headers)
        self._callbacks: dict[str, list[LimitCallback]] = {TIMEOUT: [], SOFT_TIMEOUT: []}
        self._over: dict[str, float] = {}
        self._last_checkpoint = last_checkpoint
        self._reporter = reporter

    def on_timeout(self, callback: LimitCallback) -> None:
        """Call `callback(limit_in_seconds)` if this attempt runs out of time; at once if it has."""
        self._register(TIMEOUT, callback)

    def on_soft_timeout(self, callback: LimitCallback) -> None:
        """Call `callback(limit_in_seconds)` when the soft limit is over: wind up, save, stop."""
        self._register(SOFT_TIMEOUT, callback)

    def limit_is_over(self, kind: str, seconds: float) -> list[Exception]:
        """For runners: call the callbacks of a limit. Returns what they raised."""
        self._over[kind] = seconds
        raised: list[Exception] = []
        for callback in self._callbacks[kind]:
            try:
                callback(seconds)
            except Exception as error:  # noqa: BLE001 - a callback must not stop the others
                raised.append(error)
        return raised

    def _register(self, kind: str, callback: LimitCallback) -> None:
        self._callbacks[kind].append(callback)
        if kind in self._over:
            callback(self._over[kind])

    def log(self, text: object, level: str = "info", *, on_error: OnError | None = None) -> None:
        """Keep a line with the job. It is sent in the background; `on_error` is called if that fails.

        Raises:
            JobEnded: the job is over (a job that timed out still keeps its lines).
        """
        self._reporter.log(clean_level(level), str(text), on_error)

    def progress(self, value: float | str | None = None, step: str | None = None) -> Awaitable[None]:
        """Say how far the job is: a float from 0 to 1, a step, or both. The last word counts.

        Raises:
            BadArgs: the value is not a number from 0 to 1.
            JobEnded: the job is over.
        """
        if isinstance(value, str):
            value, step = None, value
        if value is not None and not (is_number(value) and 0 <= value <= 1):
            raise BadArgs(f"Progress is a number from 0 to 1, not {shorten(value)}.")
        self._reporter.progress(value, None if step is None else clean(str(step))[:MAX_STEP_CHARS])
        return nothing()

    def checkpoint(self, value: object) -> Awaitable[None]:
        """Keep a value that the next attempt finds in `last_checkpoint`, if there is a next.

        Stored when the awaitable is done; blocks in sync code.

        Raises:
            BadArgs, PayloadTooLarge: the value can't be stored. JobEnded: the job is over.
        """
        return self._reporter.checkpoint(encode_payload(value, "checkpoint"))

    @property
    def last_checkpoint(self) -> Any:
        """What an earlier attempt of this job kept last, or None."""
        return None if self._last_checkpoint is None else from_json(self._last_checkpoint)

    def done(self, result: object = None) -> Awaitable[None]:
        """Settle the job as succeeded, with a result that has a JSON form. Blocks in sync code.

        Raises:
            JobDone, JobFailed, JobTimedOut, JobCancelled, JobLost: the job ended before.
            BadArgs, PayloadTooLarge: the result can't be stored; the job is not settled.
            ServerUnreachable: Redis did not confirm within a lease; it is told again.
        """
        text = None if result is None else encode_payload(result, "result")
        return self._reporter.settle(Succeeded(result=text))

    def fail(self, error: object) -> Awaitable[None]:
        """Settle the attempt as failed. Blocks in sync code.

        Raises:
            JobDone, JobFailed, JobTimedOut, JobCancelled, JobLost: the job ended before.
            ServerUnreachable: Redis did not confirm within a lease; it is told again.
        """
        return self._reporter.settle(Failed(error=clean(str(error))[:MAX_FAIL_CHARS]))


class _Nothing:
    def __await__(self) -> Generator[None, None, None]:
        return
        yield


def nothing() -> Awaitable[None]:
    """An awaitable that is done already."""
    return _Nothing()
