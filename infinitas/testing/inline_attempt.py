"""Runs a task inside the test, without servers."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from infinitas.core.errors import JobDone, JobEnded, JobFailed
from infinitas.core.verdict import Failed, Outcome, Succeeded
from infinitas.tasks.current_job import current
from infinitas.tasks.job import Job, OnError, nothing
from infinitas.tasks.printed_lines import PrintedLines
from infinitas.tasks.processors import awaited
from infinitas.tasks.task import AnyTask
from infinitas.worker.log_capture import capturing
from infinitas.worker.outcomes import failure, returned


@dataclass(slots=True)
class Ran:
    """What a task did when it ran inline."""

    task: AnyTask
    outcome: Outcome | None = None
    log: list[tuple[str, str]] = field(default_factory=list)
    progress: list[tuple[float | None, str | None]] = field(default_factory=list)
    checkpoint: Any = None

    @property
    def result(self) -> Any:
        """What it returned, or handed to `done`, as `Handle.get` returns it.

        Raises:
            AssertionError: it failed.
            BadResult: it is no value of the return annotation.
        """
        if not isinstance(self.outcome, Succeeded):
            raise AssertionError(f"the task did not succeed: {self.error}")
        return self.task.signature.read_result(self.outcome.result)

    @property
    def error(self) -> str | None:
        """The error's last line, or None if it succeeded."""
        return self.outcome.error if isinstance(self.outcome, Failed) else None


async def run_inline(
    task: AnyTask, *args: object, checkpoint: str | None = None, attempt: int = 1, **kwargs: object
) -> Ran:
    """Run a task inside the test, without servers; its arguments are checked as if it had been sent.

    Args:
        args, kwargs: the processor's own, without the Job.
        checkpoint: JSON text for `job.last_checkpoint`.
        attempt: the value of `job.attempt`.

    Returns:
        What the task returned, logged and stored; an exception is in it as `error`.

    Raises:
        BadArgs, PayloadTooLarge: as `Task.send` does.

    >>> import asyncio
    >>> from infinitas.testing import run_inline
    >>> asyncio.run(run_inline(add, 1, b=2)).result
    3
    """
    text = task.signature.encode(args, kwargs)
    return await attempt_inline(task, text, Facts(attempt=attempt, checkpoint=checkpoint))


def run_inline_sync(
    task: AnyTask, *args: object, checkpoint: str | None = None, attempt: int = 1, **kwargs: object
) -> Ran:
    """`run_inline` for sync tests, also while an event loop runs in this thread.

    >>> from infinitas.testing import run_inline_sync
    >>> run_inline_sync(add, 1, b=2).result
    3
    """
    text = task.signature.encode(args, kwargs)
    return attempt_inline_sync(task, text, Facts(attempt=attempt, checkpoint=checkpoint))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a processor can read of its job."""

    id: str = "inline"
    attempt: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str | None = None


async def attempt_inline(task: AnyTask, text: str, facts: Facts) -> Ran:
    """Run one attempt, with arguments as JSON text, in the running event loop."""
    with _attempt(task, text, facts) as (ran, call):
        try:
            outcome = returned(task, await awaited(call()))
        except Exception as error:  # noqa: BLE001 - any exception is the job's failure
            outcome = failure(task, error)
    ran.outcome = ran.outcome or outcome
    return ran


def attempt_inline_sync(task: AnyTask, text: str, facts: Facts) -> Ran:
    """Run one attempt: sync code in this thread, async code in an event loop of its own."""
    if task.is_async:
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as thread:
            run: Coroutine[Any, Any, Ran] = attempt_inline(task, text, facts)
            return thread.submit(context.run, asyncio.run, run).result()
    with _attempt(task, text, facts) as (ran, call):
        try:
            outcome = returned(task, call())
        except Exception as error:  # noqa: BLE001 - any exception is the job's failure
            outcome = failure(task, error)
    ran.outcome = ran.outcome or outcome
    return ran


@contextmanager
def _attempt(task: AnyTask, text: str, facts: Facts) -> Iterator[tuple[Ran, Callable[[], Any]]]:
    """What is around the call of a processor: its job is current, and what it logs is kept."""
    ran = Ran(task)
    reporter = _Inline(ran)
    job = reporter.job = Job(
        id=facts.id,
        task=task.name,
        attempt=facts.attempt,
        due=datetime.now(UTC),
        schedule=None,
        headers=dict(facts.headers),
        last_checkpoint=facts.checkpoint,
        reporter=reporter,
        encode_result=task.signature.encode_result,
    )
    args, kwargs = task.signature.with_job(job, *task.signature.decode(text))
    with capturing([task]):
        token = current.set(reporter)
        reporter.prints = PrintedLines(reporter.log) if task.definition.capture_print else None
        try:
            yield ran, lambda: task.function(*args, **kwargs)
        finally:
            reporter.finish_prints()
            current.reset(token)


class _Inline:
    """A `Reporter` that keeps everything in a `Ran`."""

    def __init__(self, ran: Ran) -> None:
        self._ran = ran
        self.prints: PrintedLines | None = None
        self.job: Job

    def finish_prints(self) -> None:
        if self.prints is not None:
            self.prints.finish()

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None:
        self._refuse_when_ended()
        self._ran.log.append((level, text))

    def progress(self, value: float | None, step: str | None) -> None:
        self._refuse_when_ended()
        self._ran.progress.append((value, step))

    def checkpoint(self, text: str) -> Awaitable[None]:
        self._refuse_when_ended()
        self._ran.checkpoint = from_json(text)
        return nothing()

    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]:
        self.finish_prints()
        self._refuse_when_ended()
        self._ran.outcome = outcome
        return nothing()

    def _refuse_when_ended(self) -> None:
        if self._ran.outcome is not None:
            ended: type[JobEnded] = JobDone if isinstance(self._ran.outcome, Succeeded) else JobFailed
            raise ended("The job has ended; this call changed nothing.")
