"""What jobs have to say, on its way to Redis: outcomes at once, the rest within a moment.

Outcomes gather while the previous call is in flight, so one call settles many. What a job said goes
before its outcome; nobody else's words hold an outcome up. Nothing leaves the outbox before Redis
has answered.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import orjson

from infinitas.broker.answers import APPLIED, GONE, ReportAnswer, SettleAnswer
from infinitas.broker.messages import Report, Settlement
from infinitas.core.errors import InfinitasError, JobLost, ServerFull, ServerUnreachable
from infinitas.runtime.logging import get_logger
from infinitas.worker.transport.interface import Edges

_log = get_logger("worker")
SETTLE_BATCH = 200
KEPT_S = 10.0
MOST_KEPT = 10_000
MOST_KEPT_CHARS = 16_000_000
FULL_WAIT_S = 1.0
REPORT_CHARS = 128 * 1024
LINGER_S = 0.2
OnError = Callable[[InfinitasError], object]
OnAnswer = Callable[[SettleAnswer], object]


@dataclass(frozen=True, slots=True)
class Line:
    """One log line; `on_error` hears of it if the line can't be handed in, `on_kept` once it is."""

    seq: int
    at_ms: int
    level: str
    text: str
    on_error: OnError | None = None
    on_kept: Callable[[], object] | None = None


@dataclass(slots=True, kw_only=True)
class Said:
    """What one attempt has said and Redis has not heard yet; of values, the last counts."""

    queue: str
    job: str
    attempt: int
    lines: deque[Line] = field(default_factory=deque)
    chars: int = 0
    progress: float | None = None
    step: str | None = None
    checkpoint: str | None = None
    stored: list[Future[bool]] = field(default_factory=list)

    def add_line(self, line: Line) -> None:
        self.lines.append(line)
        self.chars += len(line.text)


def nobody(answer: SettleAnswer) -> None:
    """Hears an answer that nobody waits for."""


class Outbox:
    """One per worker session. `say` may be called from any thread, `settle` from the worker's loop."""

    def __init__(self, worker: str, brokers: Mapping[str, Edges], job_ttl_s: int) -> None:
        self._worker = worker
        self._brokers = brokers
        self._job_ttl_s = job_ttl_s
        self._said: dict[tuple[str, int], Said] = {}
        self._outcomes: deque[tuple[str, Settlement, OnAnswer]] = deque()
        """Queue, what to settle, and who hears the answer."""
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        """In which the loop runs."""
        self.lock = threading.Lock()
        """Guards what attempts say; one for all of them, it is held for moments."""
        self._something = asyncio.Event()
        self._outcome = asyncio.Event()
        self._settled: dict[tuple[str, int], tuple[float, str, Settlement]] = {}
        """Settled lately, by job and attempt: when (monotonic), queue, what."""
        self._settled_chars = 0
        self._drops = False
        """Redis is full, and lines are dropped; logged once."""

    def say(self, queue: str, job: str, attempt: int, change: Callable[[Said], None]) -> None:
        """Let `change` add to what an attempt says."""
        with self.lock:
            first = not self._said
            said = self._said.get((job, attempt))
            if said is None:
                said = self._said[job, attempt] = Said(queue=queue, job=job, attempt=attempt)
            change(said)
        if first:
            self.loop.call_soon_threadsafe(self._something.set)

    @property
    def unsettled(self) -> int:
        """Outcomes to which Redis has not answered yet."""
        return len(self._outcomes)

    def settle(self, queue: str, settlement: Settlement, on_answer: OnAnswer) -> None:
        """Hand in an outcome. `on_answer` hears what `Jobs.settle` says of it, whenever that is."""
        if not self._outcomes:
            self._something.set()
            self._outcome.set()
        self._outcomes.append((queue, settlement, on_answer))

    async def run_once(self) -> None:
        """Wait for something to say, then say it. Raises ServerUnreachable; nothing is lost then."""
        await self._something.wait()
        if not self._outcomes:
            await self._linger()
        self._something.clear()
        self._outcome.clear()
        try:
            if self._outcomes:
                await self._send_outcomes()
            else:
                await self._send_words_or_wait()
        finally:
            if self._said or self._outcomes:
                self._something.set()

    async def flush(self) -> None:
        """Send everything, at a worker's end. Raises ServerUnreachable."""
        while self._outcomes or self._said:
            if self._outcomes:
                await self._send_outcomes()
            else:
                await self._send_words()

    def give_up(self, error: InfinitasError) -> None:
        """Nothing more will be sent: tell those who wait, and those who asked to hear of it."""
        while self._outcomes:
            self._outcomes.popleft()[2](GONE)
        for said in self._said.values():
            _complain(said.lines, error)

    async def _linger(self) -> None:
        """Words alone wait a moment for more; an outcome cuts that short."""
        try:
            async with asyncio.timeout(LINGER_S):
                await self._outcome.wait()
        except TimeoutError:
            return

    async def _send_words_or_wait(self) -> None:
        """A full Redis has no room for words; outcomes go on meanwhile."""
        try:
            await self._send_words()
        except ServerFull:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FULL_WAIT_S):
                    await self._outcome.wait()

    async def _send_words(self) -> None:
        """Some words of the jobs that have waited longest; more outcomes may come in between."""
        with self.lock:
            waiting = list(self._said.values())
        if not waiting:
            return
        budget = REPORT_CHARS
        chosen = []
        for said in waiting:
            if said.queue == waiting[0].queue and budget > 0:
                chosen.append(said)
                budget -= said.chars
        await self._report(chosen)

    async def _send_outcomes(self) -> None:
        """Settle the first outcomes, all of one queue, after what their jobs have said."""
        queue = self._outcomes[0][0]
        batch: list[Settlement] = []
        for each in self._outcomes:
            if each[0] != queue or len(batch) == SETTLE_BATCH:
                break
            batch.append(each[1])
        if self._said:
            keys = [(settlement.job, settlement.attempt) for settlement in batch]
            while said := [self._said[key] for key in keys if key in self._said]:
                try:
                    await self._report(said)
                except ServerFull as error:
                    # The end of a job gives memory back, and must not wait for room for its log.
                    self._drop(said, error)
        answers = await self._brokers[queue].jobs.settle(self._worker, batch)
        now = time.monotonic()
        for settlement, answer in zip(batch, answers, strict=True):
            if answer is APPLIED and not settlement.over:
                self._keep(now, queue, settlement)
            self._outcomes.popleft()[2](answer)
        self._forget_settled(now)

    def settle_again(self, job: str, attempt: int, due_ms: int, *, lingers: bool = False) -> bool:
        """Whether that attempt has ended here lately; its end is sent again then.

        A Redis that has lost its last second (a restart, a failover) gives such an attempt out once more:
        its code must not run a second time under the same number. `lingers`: it still runs here.
        """
        found = self._settled.get((job, attempt))
        if (
            found is None
            or found[2].due_ms != due_ms
            or time.monotonic() - found[0] > min(KEPT_S, found[2].ttl_s)
        ):
            return False
        self.settle(found[1], replace(found[2], lingers=lingers), nobody)
        return True

    def _keep(self, now: float, queue: str, settlement: Settlement) -> None:
        key = settlement.job, settlement.attempt
        if before := self._settled.pop(key, None):
            self._settled_chars -= before[2].chars
        self._settled[key] = now, queue, settlement
        self._settled_chars += settlement.chars

    def _forget_settled(self, now: float) -> None:
        while self._settled:
            oldest = next(iter(self._settled))
            then, _, settlement = self._settled[oldest]
            fits = len(self._settled) <= MOST_KEPT and self._settled_chars <= MOST_KEPT_CHARS
            if fits and now - then <= KEPT_S:
                return
            del self._settled[oldest]
            self._settled_chars -= settlement.chars

    def _drop(self, chosen: "list[Said]", error: ServerFull) -> None:
        stored: list[Future[bool]] = []
        with self.lock:
            for said in chosen:
                self._said.pop((said.job, said.attempt), None)
                stored += said.stored
        if not self._drops:
            _log.warning("Log lines of jobs that end now are lost: %s", error)
        self._drops = True
        for said in chosen:
            _complain(said.lines, error)
        for future in stored:
            future.set_result(False)

    async def _report(self, chosen: "list[Said]") -> None:
        """Send the first words of `chosen`, as many as one call should carry."""
        parts: list[tuple[Said, int, Report]] = []
        budget = REPORT_CHARS
        with self.lock:
            for said in chosen:
                count = 0
                while count < len(said.lines) and budget > 0:
                    budget -= len(said.lines[count].text)
                    count += 1
                parts.append((said, count, _report(said, count)))
                if budget <= 0:
                    break
        broker = self._brokers[chosen[0].queue]
        try:
            answers = await broker.jobs.report(self._worker, [part[2] for part in parts], self._job_ttl_s)
        except ServerUnreachable as error:
            for said, _, _ in parts:
                self._complain_once(said, error)
            raise
        self._drops = False
        for (said, count, report), answer in zip(parts, answers, strict=True):
            self._forget(said, count, report, answer)

    def _forget(self, said: Said, count: int, report: Report, answer: ReportAnswer) -> None:
        """Redis has answered: drop what it was told, unless a newer value came in meanwhile."""
        stored: list[Future[bool]] = []
        with self.lock:
            sent = [said.lines.popleft() for _ in range(count)]
            said.chars -= sum(len(line.text) for line in sent)
            if said.progress == report.progress:
                said.progress = None
            if said.step == report.step:
                said.step = None
            if said.checkpoint == report.checkpoint:
                said.checkpoint = None
                stored, said.stored = said.stored, stored
            if not said.lines and (said.progress, said.step, said.checkpoint) == (None, None, None):
                self._said.pop((said.job, said.attempt), None)
        for future in stored:
            future.set_result(answer is ReportAnswer.STORED)
        if answer is ReportAnswer.STORED:
            for line in sent:
                if line.on_kept is not None:
                    line.on_kept()
        if answer is not ReportAnswer.STORED:
            _complain(sent, JobLost(f"Job {said.job} is no longer this worker's; the line is not kept."))

    def _complain_once(self, said: Said, error: InfinitasError) -> None:
        with self.lock:
            lines = list(said.lines)
            said.lines = deque(replace(line, on_error=None) for line in lines)
        _complain(lines, error)


def _complain(lines: Iterable[Line], error: InfinitasError) -> None:
    for line in lines:
        if line.on_error is not None:
            # It concerns nobody else, and they were told.
            with contextlib.suppress(Exception):
                line.on_error(error)


def _report(said: Said, count: int) -> Report:
    texts = [[x.seq, x.at_ms, x.level, x.text] for x in (said.lines[i] for i in range(count))]
    return Report(
        job=said.job,
        attempt=said.attempt,
        lines=orjson.dumps(texts).decode() if texts else None,
        progress=said.progress,
        step=said.step,
        checkpoint=said.checkpoint,
    )
