"""One attempt while it lives here: which calls of the processor still count."""

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from infinitas.broker.answers import SettleAnswer
from infinitas.broker.messages import ClaimedJob, Settlement
from infinitas.core.codec import to_ms
from infinitas.core.errors import (
    JobCancelled,
    JobDone,
    JobEnded,
    JobFailed,
    JobLost,
    JobSkipped,
    JobTimedOut,
    ServerUnreachable,
)
from infinitas.core.names import clean_level
from infinitas.core.states import Reason, State
from infinitas.core.text import clean
from infinitas.core.verdict import Cancelled, Failed, Outcome, Succeeded, Verdict, judge
from infinitas.runtime.logging import get_logger
from infinitas.tasks.job import Job, OnError, nothing
from infinitas.tasks.task import AnyTask
from infinitas.worker.outbox import Line, Outbox, Said, nobody

_log = get_logger("worker")

MAX_LINES = 10_000
MAX_CHARS = 1_000_000
MAX_LINE_CHARS = 8_000
GIVE_WAY_EVERY = 25
NOTES_FROM = 1 << 30
"""Lines of the worker's own are numbered apart: a remote processor numbers its lines itself."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """Why an attempt must stop: somebody cancelled the job, or it is no longer ours (`why` None)."""

    why: str | None


class Attempt:
    """The `Reporter` behind a `Job`. The first end wins: done, fail, cancelled, lost, out of time.

    One is made for each job, and most never log or wait: what only some need is made when they do.
    """

    def __init__(
        self, claimed: ClaimedJob, task: AnyTask, outbox: Outbox, job_ttl_s: float, patience_s: float
    ) -> None:
        self.claimed = claimed
        self.task = task
        self.loop = outbox.loop
        self.interruption: Interruption | None = None
        self.on_interruption: Callable[[], None] | None = None
        """Set while the processor runs: acts on an interruption."""
        self.verdict: Verdict | None = None
        self.outcome: Outcome | None = None
        """What has ended it here."""
        self.deadline: float | None = None
        """When the hard limit is over, on the monotonic clock; set when the processor starts."""
        self.code: asyncio.Task[object] | None = None
        """The asyncio task in which the processor runs now, if it is async."""
        self.tell_remote: Callable[[str, float], None] | None = None
        """Set by a runner whose processor lives elsewhere: calls its callbacks there."""
        self.unsettled = False
        """Its end was handed in, and Redis has not answered yet."""
        self._code_is_over = False
        self._lingering: Settlement | None = None
        """The end that was handed in while the code goes on."""
        self._when_settled: list[Callable[[], object]] = []
        self._job: Job | None = None
        self._outbox = outbox
        self._began = time.monotonic()
        self._ttl_s = task.definition.result_ttl or job_ttl_s
        self._patience_s = patience_s
        self._end: type[JobEnded] | None = None
        self._lock = outbox.lock
        self._number = self._lines = self._chars = self._dropped = 0

    @property
    def job(self) -> Job:
        """What the processor sees."""
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
            )
        return self._job

    @property
    def ended(self) -> bool:
        return self._end is not None

    @property
    def end_code(self) -> str:
        """The code of what ended it; empty while it goes on."""
        return self._end.code if self._end else ""

    def log(self, level: str, text: str, on_error: OnError | None = None) -> None:
        self.keep(Line(self._next_number(), to_ms(datetime.now(UTC)), level, text, on_error))

    def keep(self, line: Line) -> None:
        """Keep a line that has its number already, within what a job may log.

        Raises:
            JobEnded: the job is over (one that timed out still keeps its lines).
        """
        text = line.text
        if self._end is not None and self._end is not JobTimedOut:
            raise self._too_late(self._end)
        with self._lock:
            fits = self._lines < MAX_LINES and self._chars < MAX_CHARS
            self._lines += 1
            self._dropped += 0 if fits else 1
            self._chars += min(len(text), MAX_LINE_CHARS) if fits else 0
        if not fits:
            if self._dropped % GIVE_WAY_EVERY == 0 and threading.get_ident() != self._outbox.thread:
                # A flood in a thread gives way to the worker's loop, and so to the other jobs.
                time.sleep(0)
            return
        text = clean(text)
        if len(text) > MAX_LINE_CHARS:
            text = f"{text[:MAX_LINE_CHARS]} … {len(text) - MAX_LINE_CHARS:,} characters dropped"
        self._add(replace(line, level=clean_level(line.level), text=text))

    def note(self, level: str, text: str) -> None:
        """A line of the worker's own about the job; never refused, never dropped."""
        number = NOTES_FROM + self._next_number()
        self._add(Line(number, to_ms(datetime.now(UTC)), level, clean(text)))

    def progress(self, value: float | None, step: str | None) -> None:
        if self._end is not None:
            raise self._too_late(self._end)

        def change(said: Said) -> None:
            said.progress = value if value is not None else said.progress
            said.step = step if step is not None else said.step

        self._say(change)

    def checkpoint(self, text: str) -> Awaitable[None]:
        if self._end is not None:
            raise self._too_late(self._end)
        stored: Future[bool] = Future()

        def change(said: Said) -> None:
            said.checkpoint = text
            said.stored.append(stored)

        self._say(change)

        async def wait() -> None:
            if not await asyncio.wrap_future(stored):
                raise self._too_late(self._end or JobLost)

        return self._in_the_workers_loop(wait())

    def settle(self, outcome: Succeeded | Failed) -> Awaitable[None]:
        return self._in_the_workers_loop(self.end_and_wait(outcome, self._patience_s))

    def _in_the_workers_loop(self, coroutine: Coroutine[Any, Any, None]) -> Awaitable[None]:
        """There: a task that runs also when nobody awaits it. In a thread: wait. In another loop: both."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()
            return nothing()
        if running is self.loop:
            return asyncio.ensure_future(coroutine)
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def end(self, outcome: Outcome, *, lingers: bool = False) -> None:
        """End the attempt, if nothing has ended it before; in the worker's loop. The outbox sends it soon.

        `lingers`: its code goes on, and counts as running until `code_is_over`.

        Raises:
            JobEnded: what ended it before.
        """
        settlement = self._conclude(outcome, lingers=lingers)
        self.unsettled = True
        self._outbox.settle(self.task.definition.queue, settlement, self._hear)

    def code_is_over(self) -> None:
        """The processor has returned; in the worker's loop. Redis needs to know if the end came before."""
        with self._lock:
            self._code_is_over = True
            lingered, self._lingering = self._lingering, None
        if lingered is not None:
            over = replace(lingered, lingers=False, over=self.claimed.task)
            self._outbox.settle(self.task.definition.queue, over, nobody)

    async def end_and_wait(self, outcome: Outcome, patience_s: float) -> None:
        """`end`, and wait for what Redis says.

        Raises:
            JobEnded: what ended it before.
            ServerUnreachable: no answer within `patience_s`. The outcome is still handed in once
                Redis answers, as long as nobody else has the job then.
        """
        self.end(outcome)
        answered = asyncio.Event()
        self.when_settled(answered.set)
        try:
            async with asyncio.timeout(patience_s):
                await answered.wait()
        except TimeoutError:
            raise ServerUnreachable(
                f"Redis did not confirm the end of job {self.claimed.id} within {patience_s:g} s. "
                "It is told again until it answers."
            ) from None
        if self.verdict is None and self._end is not None:
            raise self._too_late(self._end)

    def when_settled(self, callback: Callable[[], object]) -> None:
        """Call back, in the worker's loop, once no answer to an end is waited for; that may be now."""
        if self.unsettled:
            self._when_settled.append(callback)
        else:
            callback()

    def expire(self) -> Settlement:
        """Out of time while the loop is blocked: what is to be settled. Callable from any thread.

        Raises:
            JobEnded: it has ended already.
        """
        assert self.task.definition.timeout is not None
        return self._conclude(timed_out(self.task.definition.timeout), lingers=True)

    def end_is(self, end: type[JobEnded]) -> bool:
        return self._end is end

    def lose(self) -> None:
        """The job is no longer this worker's: nothing that the processor says counts any more."""
        with self._lock:
            if self._end is not None:
                return
            self._end = JobLost
        self.interrupt(Interruption(None))

    def interrupt(self, interruption: Interruption) -> None:
        """Have the attempt stop; in the worker's loop."""
        if self.interruption is None:
            self.interruption = interruption
            if self.on_interruption is not None:
                self.on_interruption()

    def call_back(self, kind: str, seconds: float) -> None:
        """Tell the processor that a limit is over: its callbacks of that kind."""
        if self.tell_remote is not None:
            self.tell_remote(kind, seconds)
            return
        for error in self.job.limit_is_over(kind, seconds):
            self.note("error", f"on_{kind} callback failed: {error!r}")

    def _conclude(self, outcome: Outcome, *, lingers: bool = False) -> Settlement:
        """The one moment at which an attempt ends here. Raises JobEnded if it has already."""
        self._claim_end(_end_of(outcome))
        self.outcome = outcome
        self._say_what_was_dropped()
        claimed = self.claimed
        age_s = claimed.age_s + time.monotonic() - self._began
        tries = claimed.attempt - claimed.uncharged
        kept = _cleaned(outcome) if isinstance(outcome, Failed) else outcome
        self.verdict = judge(kept, self.task.definition, tries, age_s, random.random())
        with self._lock:
            lingers = lingers and not self._code_is_over
            settlement = Settlement(
                claimed.id, claimed.attempt, self.verdict, self._ttl_s, lingers, due_ms=claimed.due_ms
            )
            self._lingering = settlement if lingers else None
        return settlement

    def _claim_end(self, end: type[JobEnded]) -> None:
        with self._lock:
            if self._end is not None:
                raise self._too_late(self._end)
            self._end = end

    def _hear(self, answer: SettleAnswer) -> None:
        """What Redis says of the end that was handed in."""
        self.unsettled = False
        if not answer.accepted:
            self.verdict = None
            self._end = _ended_elsewhere(answer)
            _log.warning("%s", self._too_late(self._end))
        for callback in self._when_settled:
            callback()

    def _next_number(self) -> int:
        with self._lock:
            self._number += 1
            return self._number - 1

    def _say_what_was_dropped(self) -> None:
        if self._dropped:
            self.note("warning", f"… {self._dropped:,} lines dropped: a job keeps {MAX_LINES:,} lines, 1 MB")

    def _add(self, line: Line) -> None:
        self._say(lambda said: said.add_line(line))

    def _say(self, change: Callable[[Said], None]) -> None:
        self._outbox.say(self.task.definition.queue, self.claimed.id, self.claimed.attempt, change)

    def _too_late(self, end: type[JobEnded]) -> JobEnded:
        limit = self.task.definition.timeout
        how = {
            JobDone: "is done already",
            JobFailed: "has failed already",
            JobTimedOut: f"ran out of time (its limit is {limit} s)",
            JobCancelled: "was cancelled",
            JobSkipped: "was skipped",
            JobLost: "was taken from this worker",
        }[end]
        return end(f"Job {self.claimed.id} {how}; this call changed nothing.")


def timed_out(limit_s: float) -> Failed:
    return Failed(error=f"timed out: the limit of {limit_s:g} s is over", reason=Reason.TIMED_OUT)


def _cleaned(failed: Failed) -> Failed:
    """Without what some store can't keep: the text comes from the processor's exception."""
    traceback = None if failed.traceback is None else clean(failed.traceback)
    return replace(failed, error=clean(failed.error), traceback=traceback)


def _end_of(outcome: Outcome) -> type[JobEnded]:
    if isinstance(outcome, Succeeded):
        return JobDone
    if isinstance(outcome, Cancelled):
        return JobCancelled
    return JobTimedOut if outcome.reason is Reason.TIMED_OUT else JobFailed


def _ended_elsewhere(answer: SettleAnswer) -> type[JobEnded]:
    """What a stale settle means for the processor: the job ended, or somebody else has it."""
    return JobCancelled if answer.state == State.CANCELLED else JobLost
