"""Log lines, progress and checkpoints of all attempts, until Redis has stored them."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from infinitas.broker.answers import ReportAnswer
from infinitas.broker.messages import Report
from infinitas.core.errors import InfinitasError, JobLost, ServerFull, ServerUnreachable
from infinitas.runtime.logging import get_logger
from infinitas.worker.transport.interface import QueueTransport
from infinitas.worker.unsent import Line, Unsent

_log = get_logger("worker")
REPORT_CHARS = 128 * 1024


class Reports:
    """What attempts have reported and Redis has not stored. `add` is thread-safe.

    Args:
        on_first: called when there is something to send again, from any thread.
    """

    def __init__(
        self,
        worker: str,
        brokers: Mapping[str, QueueTransport],
        job_ttl_s: int,
        on_first: Callable[[], object],
    ) -> None:
        self._worker = worker
        self._brokers = brokers
        self._job_ttl_s = job_ttl_s
        self._on_first = on_first
        self._unsent: dict[tuple[str, int], Unsent] = {}
        self.lock = threading.RLock()
        """Guards what attempts add. One lock for all attempts: it is held for moments only.

        Reentrant: a finalizer or a signal handler may log in the middle of a line of its own thread.
        """
        self._drops_lines = False
        """Redis is full and log lines are dropped; logged once."""

    def __bool__(self) -> bool:
        return bool(self._unsent)

    def add(self, queue: str, job: str, attempt: int, change: Callable[[Unsent], None]) -> None:
        """Let `change` add to what is unsent of an attempt. Thread-safe."""
        with self.lock:
            first = not self._unsent
            unsent = self._unsent.get((job, attempt))
            if unsent is None:
                unsent = self._unsent[job, attempt] = Unsent(queue=queue, job=job, attempt=attempt)
            change(unsent)
        if first:
            self._on_first()

    async def send_oldest(self) -> None:
        """Send one batch of the oldest reports, all of one queue. Raises ServerUnreachable, ServerFull."""
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

    async def send_of(self, attempts: Sequence[tuple[str, int]]) -> None:
        """Send all reports of these attempts, before their ends. Raises ServerUnreachable."""
        while unsent := [self._unsent[key] for key in attempts if key in self._unsent]:
            try:
                await self._report(unsent)
            except ServerFull as error:
                # A job's end frees memory, so it must not wait for room for its log.
                self._drop(unsent, error)

    def give_up(self, error: InfinitasError) -> None:
        """Send no more: call `on_error` of all lines."""
        for unsent in self._unsent.values():
            _call_on_error(unsent.lines, error)

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
