"""`Job`: what a processor receives through a parameter annotated `Job`."""

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
from infinitas.runtime.error_text import error_line

LimitCallback = Callable[[float], object]
"""Called with the limit in seconds."""
OnError = Callable[[InfinitasError], object]
"""Called with the reason why a log line could not be sent."""
MAX_STEP_CHARS, MAX_FAIL_CHARS = 200, 2_000
TIMEOUT, SOFT_TIMEOUT = "timeout", "soft_timeout"


class Reporter(Protocol):
    """Where a job's calls go: to the worker, from its own process to the worker, or into the testing kit."""

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None: ...
    def progress(self, value: float | None, step: str | None) -> None: ...
    def checkpoint(self, text: str) -> Awaitable[None]: ...
    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]: ...


class Job:
    """One attempt at a job. A processor with a parameter annotated `Job` receives it.

    All methods may be called from async code, from a thread, and from a task with `runner="process"`.
    The methods that return an awaitable are awaited in async code; in sync code a plain call is enough.

    Example::

        @app.task(timeout=60)
        async def crawl(site: str, job: Job) -> dict[str, int]:
            job.log(f"crawling {site}")
            await job.progress(0.3, "downloading")
            return {"pages": 12}

    Attributes:
        id: the job's id. That of a slot's job is made of the schedule's key and the slot's time.
        task: the task's name.
        attempt: 1 for the first execution. The number is a fence: pass it on to guard writes to other
            systems against an older attempt.
        due: the slot's nominal time, or when the job was to run (UTC).
        schedule: key of the schedule that fired it, or None.
        headers: context from the sender or a plugin, e.g. a trace id.
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
        encode_result: Callable[[object], str],
    ) -> None:
        self.id = id
        self.task = task
        self.attempt = attempt
        self.due = due
        self.schedule = schedule
        self.headers = dict(headers)
        self._callbacks: dict[str, list[LimitCallback]] = {TIMEOUT: [], SOFT_TIMEOUT: []}
        self._over: dict[str, float] = {}
        """The limits that are over, in seconds."""
        self._last_checkpoint = last_checkpoint
        self._reporter = reporter
        self._encode_result = encode_result

    def on_timeout(self, callback: LimitCallback) -> None:
        """Call `callback` when the task's `timeout` is over and the job has failed as `timed_out`.

        Example::

            job.on_timeout(lambda limit_s: connection.abort())

        Args:
            callback: gets the limit in seconds. It runs in the worker's event loop (with
                `runner="process"`: in a thread of that process), so it must not block. Called at once
                if the limit is over already. What it raises goes into the job's log.
        """
        self._register(TIMEOUT, callback)

    def on_soft_timeout(self, callback: LimitCallback) -> None:
        """Call `callback` when the task's `soft_timeout` is over: time to save and to stop.

        Example::

            stop = asyncio.Event()
            job.on_soft_timeout(lambda limit_s: stop.set())

        Args:
            callback: as for `on_timeout`.
        """
        self._register(SOFT_TIMEOUT, callback)

    def limit_is_over(self, kind: str, limit_s: float) -> list[str]:
        """For runners: call the callbacks of a limit. Returns a line for each that raised."""
        self._over[kind] = limit_s
        raised: list[str] = []
        for callback in self._callbacks[kind]:
            try:
                callback(limit_s)
            except BaseException as error:  # noqa: BLE001 - it must not stop the others
                raised.append(f"on_{kind} callback failed: {error_line(error)}")
        return raised

    def _register(self, kind: str, callback: LimitCallback) -> None:
        self._callbacks[kind].append(callback)
        if kind in self._over:
            callback(self._over[kind])

    def log(self, text: object, level: str = "info", *, on_error: OnError | None = None) -> None:
        """Add a line to the job's log. It is sent in the background, within a fraction of a second.

        `logging` inside a processor does the same without a `Job`. A job keeps 10,000 lines and 1 MB;
        the rest is counted.

        Args:
            text: anything; `str(text)` is kept, cut after 8,000 characters.
            level: the line's level, e.g. `"warning"`.
            on_error: called with an error if the line could not be sent: `ServerUnreachable` at the first
                try without an answer (the worker retries), `JobLost` if another worker has the job.

        Raises:
            JobEnded: the job is over. A job that timed out still keeps its lines.
        """
        self._reporter.log(clean_level(level), str(text), on_error)

    def progress(self, value: float | str | None = None, step: str | None = None) -> Awaitable[None]:
        """Report how far the job is. Sent in the background; the latest values win.

        Example::

            await job.progress(0.5)
            await job.progress(0.7, "uploading")
            await job.progress("cleaning up")

        Args:
            value: a number from 0 to 1; or the step, as text.
            step: what the job does now; cut after 200 characters.

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
        """Store a value for the job's next attempt, in place of an earlier one.

        It is stored when the awaitable is done; sync code blocks until then.

        Example::

            start = job.last_checkpoint or 0
            for page in range(start, pages):
                fetch(page)
                job.checkpoint(page + 1)

        Args:
            value: anything with a JSON form; it is read back as plain JSON.

        Raises:
            BadArgs: the value has no JSON form.
            PayloadTooLarge: its JSON form is too large.
            JobEnded: the job is over.
        """
        return self._reporter.checkpoint(encode_payload(value, "checkpoint"))

    @property
    def last_checkpoint(self) -> Any:
        """The value that an earlier attempt of this job stored last, or None."""
        return None if self._last_checkpoint is None else from_json(self._last_checkpoint)

    def done(self, result: object = None) -> Awaitable[None]:
        """Settle the job as succeeded, and wait until Redis has confirmed it. Sync code blocks.

        Returning from the processor does the same; call `done` to act on the confirmation, or to go on
        after it.

        Example::

            try:
                await job.done({"pages": 12})
            except JobTimedOut:
                undo()

        Args:
            result: anything with a JSON form of at most 256 kB; written by the return annotation, if it fits.

        Raises:
            JobDone, JobFailed, JobTimedOut, JobCancelled, JobLost: the job had ended before.
            BadArgs: the result has no JSON form; the job is not settled.
            PayloadTooLarge: its JSON form is too large; the job is not settled.
            ServerUnreachable: Redis did not confirm within a lease. The worker retries until it does.
        """
        text = None if result is None else self._encode_result(result)
        return self._reporter.settle(Succeeded(result=text))

    def fail(self, error: object) -> Awaitable[None]:
        """Settle the attempt as failed, and wait until Redis has confirmed it. Sync code blocks.

        Raising an exception does the same. The job is retried if the task has `retries` left.

        Args:
            error: `str(error)` is kept, cut after 2,000 characters.

        Raises:
            JobDone, JobFailed, JobTimedOut, JobCancelled, JobLost: the job had ended before.
            ServerUnreachable: Redis did not confirm within a lease. The worker retries until it does.
        """
        return self._reporter.settle(Failed(error=clean(str(error))[:MAX_FAIL_CHARS]))


class _Nothing:
    def __await__(self) -> Generator[None, None, None]:
        return
        yield


def nothing() -> Awaitable[None]:
    """Returns an awaitable that is done already."""
    return _Nothing()
