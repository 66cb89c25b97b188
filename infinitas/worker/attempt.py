"""One attempt while it lives here: which calls of the processor still count."""

import itertools
import random
import threading
from datetime import UTC, datetime

from infinitas.app import AnyTask
from infinitas.broker.broker import ClaimedJob
from infinitas.core.codec import to_ms
from infinitas.core.errors import (
    JobCancelled,
    JobDone,
    JobEnded,
    JobFailed,
    JobLost,
    JobTimedOut,
)
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Failed, Succeeded, judge
from infinitas.job import Job
from infinitas.worker.outbox import Line, Outbox

MAX_LINES = 10_000
MAX_LINE_CHARS = 8_000


class Attempt:
    """The `Reporter` behind a `Job`. The first end wins: done, fail, or out of time."""

    def __init__(self, claimed: ClaimedJob, task: AnyTask, outbox: Outbox) -> None:
        self.claimed = claimed
        self.task = task
        self.job = Job(
            id=claimed.id,
            task=claimed.task,
            attempt=claimed.attempt,
            due=claimed.due,
            schedule=claimed.schedule,
            reporter=self,
        )
        self._outbox = outbox
        self._end: type[JobEnded] | None = None
        self._lock = threading.Lock()
        self._lines = itertools.count()

    @property
    def ended(self) -> bool:
        return self._end is not None

    def log(self, level: str, text: str) -> None:
        if self._end is not None and self._end is not JobTimedOut:
            raise self._too_late(self._end)
        self._keep(level, text)

    def note(self, level: str, text: str) -> None:
        """A line of the worker's own about the job; never refused."""
        self._keep(level, text)

    def progress(self, value: float | None, step: str | None) -> None:
        if self._end is not None:
            raise self._too_late(self._end)
        self._outbox.add_line(self._line(progress=value, step=step))

    async def settle(self, outcome: Succeeded | Failed) -> None:
        """Settle, if nothing has ended the attempt before; else raise what did."""
        end: type[JobEnded] = JobDone if isinstance(outcome, Succeeded) else JobFailed
        if isinstance(outcome, Failed) and outcome.reason is Reason.TIMED_OUT:
            end = JobTimedOut
        with self._lock:
            if self._end is not None:
                raise self._too_late(self._end)
            self._end = end
        claimed, definition = self.claimed, self.task.definition
        verdict = judge(outcome, definition, claimed.attempt - claimed.uncharged, random.random())
        answer = await self._outbox.settle(definition.queue, claimed.id, claimed.attempt, verdict)
        if answer not in ("ok", "already"):
            self._end = _ended_elsewhere(answer)
            raise self._too_late(self._end)

    def _keep(self, level: str, text: str) -> None:
        seq = next(self._lines)
        if seq > MAX_LINES:
            return
        if seq == MAX_LINES:
            level, text = "warning", f"… more than {MAX_LINES:,} lines: the rest is dropped"
        if len(text) > MAX_LINE_CHARS:
            text = f"{text[:MAX_LINE_CHARS]} … {len(text) - MAX_LINE_CHARS:,} characters dropped"
        text = text.encode(errors="replace").decode()
        now = to_ms(datetime.now(UTC))
        self._outbox.add_line(self._line(seq=seq, at_ms=now, level=level, text=text))

    def _line(self, **fields: object) -> Line:
        return Line(
            queue=self.task.definition.queue,
            job=self.claimed.id,
            attempt=self.claimed.attempt,
            **fields,  # type: ignore[arg-type]
        )

    def _too_late(self, end: type[JobEnded]) -> JobEnded:
        limit = self.task.definition.timeout
        how = {
            JobDone: "is done already",
            JobFailed: "has failed already",
            JobTimedOut: f"ran out of time (its limit is {limit} s)",
            JobCancelled: "was cancelled",
            JobLost: "was taken from this worker",
        }[end]
        return end(f"Job {self.claimed.id} {how}; this call changed nothing.")


def _ended_elsewhere(answer: str) -> type[JobEnded]:
    """What a stale settle means for the processor: the job ended, or somebody else has it."""
    state = answer.split(":")[1] if answer.startswith("stale:") else ""
    if state == State.CANCELLED:
        return JobCancelled
    return JobLost
