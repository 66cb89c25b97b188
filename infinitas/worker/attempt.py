"""One attempt while it runs in this worker: which calls of the processor still count."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from infinitas.broker.answers import SettleAnswer
from infinitas.broker.messages import ClaimedJob, Settlement
from infinitas.core.errors import JobEnded, JobLost, JobTimedOut, ServerUnreachable
from infinitas.core.job_endings import ending_elsewhere, ending_of_outcome, too_late
from infinitas.core.verdict import Failed, Outcome, Succeeded, Verdict, judge
from infinitas.runtime.logging import get_logger
from infinitas.tasks.job import Job, OnError, nothing
from infinitas.tasks.printed_lines import PrintedLines
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt_log import AttemptLog
from infinitas.worker.job_lines import log_end
from infinitas.worker.outbox import Outbox, ignore_answer
from infinitas.worker.outcomes import cleaned, timed_out
from infinitas.worker.unsent import Line, Unsent

_log = get_logger("worker")


@dataclass(frozen=True, slots=True)
class Interruption:
    """Why an attempt must stop: a cancel with its reason, or (`why` None) another worker has the job."""

    why: str | None


class Attempt:
    """The `Reporter` behind a `Job`. The first end wins: done, fail, return, cancel, loss or limit.

    The order of calls and callbacks::

        claimed   RunningJobs makes the attempt and starts the executor
        started   the executor sets `on_interruption` and `deadline`;
                  a runner in another process or at a remote worker sets `notify_remote`
        running   soft limit   → `notify_limit`
                  cancel, loss → `interrupt` → `on_interruption`
        ended     return, exception, `settle`, cancel → `end`
                  hard limit   → `end` (`expire` while the loop is blocked), then `notify_limit`
        returned  the executor clears `on_interruption`, calls `end`, then `code_returned`
        settled   Redis answers → the callbacks of `when_settled`, in the order they were added

    `returned` may come long after `settled`: a thread can't be stopped, so its code lingers.

    One is made for each job, and most never log or wait: their objects are made on first use.

    Args:
        settle_timeout_s: how long `done` and `fail` wait for Redis.
    """

    def __init__(
        self, claimed: ClaimedJob, task: AnyTask, outbox: Outbox, job_ttl_s: float, settle_timeout_s: float
    ) -> None:
        self.claimed = claimed
        self.task = task
        self.loop = outbox.loop
        self.interruption: Interruption | None = None
        self.on_interruption: Callable[[], None] | None = None
        """Set while the processor runs: acts on an interruption."""
        self.verdict: Verdict | None = None
        self.outcome: Outcome | None = None
        """What ended it here."""
        self.deadline: float | None = None
        """When the hard limit is over, on the monotonic clock; set when the processor starts."""
        self.code: asyncio.Task[object] | None = None
        """The asyncio task in which an async processor runs now."""
        self.notify_remote: Callable[[str, float], None] | None = None
        """Set by a runner whose processor lives elsewhere: runs the limit callbacks there."""
        self.prints: PrintedLines | None = None
        """Set by the executor if the task has `capture_print`."""
        self.took_s = 0.0
        """From the claim to the end."""
        self.unsettled = False
        """Its end is in the outbox, and Redis has not answered yet."""
        self._code_has_returned = False
        self._lingering: Settlement | None = None
        """The end that was sent while the code went on."""
        self._when_settled: list[Callable[[], object]] = []
        self._job: Job | None = None
        self._log: AttemptLog | None = None
        self._outbox = outbox
        self._began = time.monotonic()
        self._ttl_s = task.definition.result_ttl or job_ttl_s
        self._settle_timeout_s = settle_timeout_s
        self._end: type[JobEnded] | None = None
        self._lock = outbox.reports.lock

    @property
    def job(self) -> Job:
        """The job as its processor sees it."""
        if self._job is None:
            claimed = self.claimed
            self._job = Job(
                id=claimed.id,
                task=claimed.task,
                attempt=claimed.attempt,
                due=claimed.due,
                schedule=claimed.schedule,
                headers=claimed.headers,
                last_checkpoint=claimed.checkpoint,
                reporter=self,
                encode_result=self.task.signature.encode_result,
            )
        return self._job

    @property
    def ended(self) -> bool:
        return self._end is not None

    @property
    def end_code(self) -> str:
        """The error code of its end; empty while it runs."""
        return self._end.code if self._end else ""

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None:
        """Raises JobEnded: the job is over (one that timed out still keeps its lines)."""
        self._refuse_late_line()
        self._log_of().add(level, text, on_error)

    def log_numbered(self, line: Line) -> None:
        """`log` for a line that has its number already."""
        self._refuse_late_line()
        self._log_of().add_numbered(line)

    def note(self, level: str, text: str) -> None:
        """Add a line of the worker's own to the job's log; never refused, never dropped."""
        self._log_of().note(level, text)

    def progress(self, value: float | None, step: str | None) -> None:
        """Raises JobEnded."""
        self._refuse_late_call()

        def change(unsent: Unsent) -> None:
            unsent.progress = value if value is not None else unsent.progress
            unsent.step = step if step is not None else unsent.step

        self._add(change)

    def checkpoint(self, text: str) -> Awaitable[None]:
        """Raises JobEnded."""
        self._refuse_late_call()
        answer: Future[bool] = Future()

        def change(unsent: Unsent) -> None:
            unsent.checkpoint = text
            unsent.checkpoint_answers.append(answer)

        self._add(change)

        async def wait() -> None:
            if not await asyncio.wrap_future(answer):
                raise self._too_late(self._end or JobLost)

        return self._in_the_workers_loop(wait())

    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]:
        """`end_and_wait`, callable from any thread and any loop."""
        return self._in_the_workers_loop(self.end_and_wait(outcome))

    def end(self, outcome: Outcome, *, lingers: bool = False) -> None:
        """End the attempt and put its outcome into the outbox. Belongs to the worker's loop.

        Args:
            lingers: its code goes on, and counts as running until `code_returned`.

        Raises:
            JobEnded: it had ended before.
        """
        settlement = self._conclude(outcome, lingers=lingers)
        self.unsettled = True
        self._outbox.settle(self.task.definition.queue, settlement, self._on_settled)

    def end_once(self, outcome: Outcome, *, lingers: bool = False) -> None:
        """`end`, unless the attempt has ended before."""
        if self._end is not None:
            return
        try:
            self.end(outcome, lingers=lingers)
        except JobEnded as error:
            _log.warning("%s", error)

    async def end_and_wait(self, outcome: Outcome) -> None:
        """`end`, and wait for Redis' answer.

        Raises:
            JobEnded: it had ended before.
            ServerUnreachable: no answer within `settle_timeout_s`. The outbox retries until Redis
                answers; the outcome counts if no other worker has the job by then.
        """
        self.end(outcome)
        answered = asyncio.Event()
        self.when_settled(answered.set)
        try:
            async with asyncio.timeout(self._settle_timeout_s):
                await answered.wait()
        except TimeoutError:
            raise ServerUnreachable(
                f"Redis did not confirm the end of job {self.claimed.id} within "
                f"{self._settle_timeout_s:g} s. The worker retries until Redis answers."
            ) from None
        if self.verdict is None and self._end is not None:
            raise self._too_late(self._end)

    def code_returned(self) -> None:
        """The processor has returned. Belongs to the worker's loop.

        If the attempt had ended before, Redis is notified that the code lingers no more.
        """
        if self.prints is not None:
            self.prints.finish()
        with self._lock:
            self._code_has_returned = True
            lingered, self._lingering = self._lingering, None
        if lingered is not None:
            over = replace(lingered, lingers=False, over=self.claimed.task)
            self._outbox.settle(self.task.definition.queue, over, ignore_answer)

    def when_settled(self, callback: Callable[[], object]) -> None:
        """Call back in the worker's loop once no answer from Redis is outstanding; maybe at once."""
        if self.unsettled:
            self._when_settled.append(callback)
        else:
            callback()

    def expire(self) -> Settlement:
        """Time out while the worker's loop is blocked. Thread-safe.

        Returns:
            What the caller must settle.

        Raises:
            JobEnded: it had ended before.
        """
        return self._conclude(timed_out(self.task), lingers=True)

    def log_end(self) -> None:
        """Log the end that Redis has, or that is on its way."""
        if self.verdict is not None:
            log_end(self.claimed, self.verdict, self.task.definition, self.took_s)

    def end_is(self, end: type[JobEnded]) -> bool:
        return self._end is end

    def lose(self) -> None:
        """The job is no longer this worker's: no call of the processor counts from now on."""
        with self._lock:
            if self._end is not None:
                return
            self._end = JobLost
        self.interrupt(Interruption(None))

    def interrupt(self, interruption: Interruption) -> None:
        """Stop the attempt; the first interruption wins. Belongs to the worker's loop."""
        if self.interruption is None:
            self.interruption = interruption
            if self.on_interruption is not None:
                self.on_interruption()

    def notify_limit(self, kind: str, limit_s: float) -> None:
        """Run the processor's callbacks for a limit that is over, here or where it runs."""
        if self.notify_remote is not None:
            self.notify_remote(kind, limit_s)
            return
        for line in self.job.limit_is_over(kind, limit_s):
            self.note("error", line)

    def _conclude(self, outcome: Outcome, *, lingers: bool) -> Settlement:
        """The one moment at which an attempt ends here. Raises JobEnded if it has already."""
        if self.prints is not None:
            self.prints.finish()
        claimed = self.claimed
        # First: an outcome that can't be judged must end nothing, or the job would run for ever.
        verdict = self._judge(outcome)
        with self._lock:
            if self._end is not None:
                raise self._too_late(self._end)
            self._end = ending_of_outcome(outcome)
        self.outcome, self.verdict = outcome, verdict
        if self._log is not None:
            self._log.note_dropped()
        with self._lock:
            lingers = lingers and not self._code_has_returned
            settlement = Settlement(
                claimed.id, claimed.attempt, verdict, self._ttl_s, lingers, due_ms=claimed.due_ms
            )
            self._lingering = settlement if lingers else None
        return settlement

    def _judge(self, outcome: Outcome) -> Verdict:
        claimed = self.claimed
        self.took_s = time.monotonic() - self._began
        age_s = claimed.age_s + self.took_s
        tries = claimed.attempt - claimed.uncharged
        kept = cleaned(outcome) if isinstance(outcome, Failed) else outcome
        return judge(kept, self.task.definition, tries, age_s, random.random())

    def _on_settled(self, answer: SettleAnswer) -> None:
        self.unsettled = False
        if not answer.accepted:
            self.verdict = None
            self._end = ending_elsewhere(answer.state, answer.reason)
            _log.warning("%s", self._too_late(self._end))
        self.log_end()
        for callback in self._when_settled:
            callback()

    def _in_the_workers_loop(self, coroutine: Coroutine[Any, Any, None]) -> Awaitable[None]:
        """Run `coroutine` in the worker's loop, even if the caller doesn't await the result.

        A caller in a thread without a loop is blocked until it is done.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()
            return nothing()
        if running is self.loop:
            return asyncio.ensure_future(coroutine)
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def _log_of(self) -> AttemptLog:
        log = self._log
        if log is None:
            with self._lock:
                log = self._log = self._log or AttemptLog(self._outbox, self._add_line)
        return log

    def _add_line(self, line: Line) -> None:
        self._add(lambda unsent: unsent.add_line(line))

    def _add(self, change: Callable[[Unsent], None]) -> None:
        self._outbox.reports.add(self.task.definition.queue, self.claimed.id, self.claimed.attempt, change)

    def _refuse_late_call(self) -> None:
        if self._end is not None:
            raise self._too_late(self._end)

    def _refuse_late_line(self) -> None:
        if self._end is not None and self._end is not JobTimedOut:
            raise self._too_late(self._end)

    def _too_late(self, end: type[JobEnded]) -> JobEnded:
        return too_late(end, self.claimed.id, self.task.definition.timeout)
