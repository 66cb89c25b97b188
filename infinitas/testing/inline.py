"""Runs a task inside the test, without servers."""

from collections.abc import Awaitable
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
    ran = Ran(task)
    reporter = _Inline(ran)
    job = reporter.job = Job(
        id="inline",
        task=task.name,
        attempt=attempt,
        due=datetime.now(UTC),
        schedule=None,
        headers={},
        last_checkpoint=checkpoint,
        reporter=reporter,
        encode_result=task.signature.encode_result,
    )
    given = task.signature.decode(task.signature.encode(args, kwargs))
    call = task.signature.with_job(job, *given)
    with capturing([task]):
        token = current.set(reporter)
        reporter.prints = PrintedLines(reporter.log) if task.definition.capture_print else None
        try:
            value = task.function(*call[0], **call[1])
            outcome = returned(task, await awaited(value))
        except Exception as error:  # noqa: BLE001 - any exception is the job's failure
            outcome = failure(task, error)
        finally:
            reporter.finish_prints()
            current.reset(token)
    ran.outcome = ran.outcome or outcome
    return ran


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
