"""What jobs report, on its way to Redis: outcomes at once; log lines, progress and checkpoints in batches.

Outcomes gather while the previous call is in flight, so one call settles many. A job's log lines are
sent before its outcome; those of other jobs delay no outcome. The outbox keeps everything until Redis
has answered.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from infinitas.broker.answers import APPLIED, GONE, ReportAnswer, SettleAnswer
from infinitas.broker.messages import Report, Settlement
from infinitas.core.errors import InfinitasError, JobLost, ServerFull, ServerUnreachable
from infinitas.runtime.logging import get_logger
from infinitas.worker.recent_settlements import RecentSettlements
from infinitas.worker.transport.interface import QueueTransport
from infinitas.worker.unsent import Line, Unsent

_log = get_logger("worker")
SETTLE_BATCH = 200
FULL_WAIT_S = 1.0
REPORT_CHARS = 128 * 1024
LINGER_S = 0.2
OnAnswer = Callable[[SettleAnswer], object]


def ignore_answer(answer: SettleAnswer) -> None:
    """Discard a settle answer."""


class Outbox:
    """One per worker session. `add` is thread-safe; `settle` belongs to the worker's loop."""

    def __init__(self, worker: str, brokers: Mapping[str, QueueTransport], job_ttl_s: int) -> None:
        self._worker = worker
        self._brokers = brokers
        self._job_ttl_s = job_ttl_s
        self._unsent: dict[tuple[str, int], Unsent] = {}
        self._outcomes: deque[tuple[str, Settlement, OnAnswer]] = deque()
        """Queue, what to settle, and the callback for Redis' answer."""
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        """The thread of the loop."""
        self.lock = threading.Lock()
        """Guards what attempts add. One lock for all attempts: it is held for moments only."""
        self._not_empty = asyncio.Event()
        self._has_outcome = asyncio.Event()
        self._recent = RecentSettlements()
        self._drops_lines = False
        """Redis is full and log lines are dropped; logged once."""

    def add(self, queue: str, job: str, attempt: int, change: Callable[[Unsent], None]) -> None:
        """Let `change` add to what is unsent of an attempt. Thread-safe."""
        with self.lock:
            first = not self._unsent
            unsent = self._unsent.get((job, attempt))
            if unsent is None:
                unsent = self._unsent[job, attempt] = Unsent(queue=queue, job=job, attempt=attempt)
            change(unsent)
        if first:
            self.loop.call_soon_threadsafe(self._not_empty.set)

    @property
    def unsettled(self) -> int:
        """How many outcomes have no answer yet."""
        return len(self._outcomes)

    def settle(self, queue: str, settlement: Settlement, on_answer: OnAnswer) -> None:
        """Queue an outcome. `on_answer` is called with the answer of `QueueBroker.settle`, however late."""
        if not self._outcomes:
            self._not_empty.set()
            self._has_outcome.set()
        self._outcomes.append((queue, settlement, on_answer))

    async def run_once(self) -> None:
        """Wait until there is something to send, then send a batch.

        Raises:
            ServerUnreachable: no answer came; everything is kept and sent again.
        """
        await self._not_empty.wait()
        if not self._outcomes:
            await self._linger()
        self._not_empty.clear()
        self._has_outcome.clear()
        try:
            if self._outcomes:
                await self._send_outcomes()
            else:
                await self._send_reports_or_wait()
        finally:
            if self._unsent or self._outcomes:
                self._not_empty.set()

    async def flush(self) -> None:
        """Send everything, when the worker stops. Raises ServerUnreachable."""
        while self._outcomes or self._unsent:
            if self._outcomes:
                await self._send_outcomes()
            else:
                await self._send_reports()

    def give_up(self, error: InfinitasError) -> None:
        """Send no more: answer `gone` to all callbacks, and call `on_error` of all lines."""
        while self._outcomes:
            self._outcomes.popleft()[2](GONE)
        for unsent in self._unsent.values():
            _call_on_error(unsent.lines, error)

    def settle_again(self, job: str, attempt: int, due_ms: int, *, lingers: bool = False) -> bool:
        """Send the outcome of an attempt again, if it ended here in the last seconds.

        A Redis that lost its last second hands such an attempt out once more: its code must not run
        again under the same number.

        Args:
            lingers: the attempt's code still runs here.

        Returns:
            Whether the attempt ended here.
        """
        recent = self._recent.find(job, attempt, due_ms)
        if recent is None:
            return False
        self.settle(recent.queue, replace(recent.settlement, lingers=lingers), ignore_answer)
        return True

    async def _linger(self) -> None:
        """Wait up to LINGER_S to batch log lines; an outcome ends the wait."""
        try:
            async with asyncio.timeout(LINGER_S):
                await self._has_outcome.wait()
        except TimeoutError:
            return

    async def _send_reports_or_wait(self) -> None:
        """Send reports. A full Redis refuses them: then wait FULL_WAIT_S, or until there is an outcome."""
        try:
            await self._send_reports()
        except ServerFull:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FULL_WAIT_S):
                    await self._has_outcome.wait()

    async def _send_reports(self) -> None:
        """Send one batch of the oldest reports, all of one queue."""
        with self.lock:
            waiting = list(self._unsent.values())
        if not waiting:
            return
        budget = REPORT_CHARS
        chosen = []
        for unsent in waiting:
            if unsent.queue == waiting[0].queue and budget > 0:
                chosen.append(unsent)
                budget -= unsent.chars
        await self._report(chosen)

    async def _send_outcomes(self) -> None:
        """Settle the oldest outcomes, all of one queue, after the reports of their jobs."""
        queue = self._outcomes[0][0]
        batch: list[Settlement] = []
        for each in self._outcomes:
            if each[0] != queue or len(batch) == SETTLE_BATCH:
                break
            batch.append(each[1])
        if self._unsent:
            keys = [(settlement.job, settlement.attempt) for settlement in batch]
            while unsent := [self._unsent[key] for key in keys if key in self._unsent]:
                try:
                    await self._report(unsent)
                except ServerFull as error:
                    # A job's end frees memory, so it must not wait for room for its log.
                    self._drop(unsent, error)
        answers = await self._brokers[queue].jobs.settle(self._worker, batch)
        now = time.monotonic()
        for settlement, answer in zip(batch, answers, strict=True):
            if answer is APPLIED and not settlement.over:
                self._recent.keep(queue, settlement, now)
            self._outcomes.popleft()[2](answer)
        self._recent.drop_old(now)

    def _drop(self, chosen: Iterable[Unsent], error: ServerFull) -> None:
        checkpoint_answers: list[Future[bool]] = []
        with self.lock:
            for unsent in chosen:
                self._unsent.pop((unsent.job, unsent.attempt), None)
                checkpoint_answers += unsent.checkpoint_answers
        if not self._drops_lines:
            _log.warning("Log lines of jobs that end now are lost: %s", error)
        self._drops_lines = True
        for unsent in chosen:
            _call_on_error(unsent.lines, error)
        for future in checkpoint_answers:
            future.set_result(False)

    async def _report(self, chosen: Sequence[Unsent]) -> None:
        """Send the oldest lines and all values of `chosen`, up to REPORT_CHARS."""
        parts: list[tuple[Unsent, int, Report]] = []
        budget = REPORT_CHARS
        with self.lock:
            for unsent in chosen:
                count, chars = unsent.lines_within(budget)
                parts.append((unsent, count, unsent.report(count)))
                budget -= chars
                if budget <= 0:
                    break
        broker = self._brokers[chosen[0].queue]
        try:
            answers = await broker.jobs.report(self._worker, [part[2] for part in parts], self._job_ttl_s)
        except ServerUnreachable as error:
            for unsent, _, _ in parts:
                self._call_on_error_once(unsent, error)
            raise
        self._drops_lines = False
        for (unsent, count, report), answer in zip(parts, answers, strict=True):
            self._remove_sent(unsent, count, report, answer)

    def _remove_sent(self, unsent: Unsent, count: int, report: Report, answer: ReportAnswer) -> None:
        """Remove what Redis has answered to; a newer value that came in meanwhile stays."""
        with self.lock:
            sent, checkpoint_answers = unsent.remove(count, report)
            if unsent.is_empty:
                self._unsent.pop((unsent.job, unsent.attempt), None)
        for future in checkpoint_answers:
            future.set_result(answer is ReportAnswer.STORED)
        if answer is ReportAnswer.STORED:
            for line in sent:
                if line.on_stored is not None:
                    line.on_stored()
        else:
            _call_on_error(
                sent, JobLost(f"Job {unsent.job} is no longer this worker's; the line is not kept.")
            )

    def _call_on_error_once(self, unsent: Unsent, error: InfinitasError) -> None:
        with self.lock:
            lines = list(unsent.lines)
            unsent.lines = deque(replace(line, on_error=None) for line in lines)
        _call_on_error(lines, error)


def _call_on_error(lines: Iterable[Line], error: InfinitasError) -> None:
    for line in lines:
        if line.on_error is not None:
            # An error inside a job's own callback concerns only that job's code.
            with contextlib.suppress(Exception):
                line.on_error(error)
