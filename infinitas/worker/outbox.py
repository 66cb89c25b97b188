"""What jobs have to say, on its way to Redis: outcomes at once, log lines within a moment.

Outcomes gather while the previous call is in flight, so one call settles many. A job's lines go
before its outcome. Nothing leaves the outbox before Redis has answered.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from infinitas.broker.broker import Broker, Report, Settlement
from infinitas.core.verdict import Verdict

SETTLE_BATCH = 200
LINES_PER_CALL = 500
LINGER_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A log line, or progress where `text` is None."""

    queue: str
    job: str
    attempt: int
    seq: int = 0
    at_ms: int = 0
    level: str = ""
    text: str | None = None
    progress: float | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    queue: str
    settlement: Settlement
    answer: "asyncio.Future[str]"


class Outbox:
    """One per worker. `add_line` may be called from any thread, `settle` from the worker's loop."""

    def __init__(self, worker: str, brokers: Mapping[str, Broker], job_ttl_s: int) -> None:
        self._worker = worker
        self._brokers = brokers
        self._job_ttl_s = job_ttl_s
        self._lines: deque[Line] = deque()
        self._outcomes: deque[_Waiting] = deque()
        self._loop = asyncio.get_running_loop()
        self._something = asyncio.Event()
        self._outcome = asyncio.Event()
        self._lock = threading.Lock()

    def add_line(self, line: Line) -> None:
        with self._lock:
            first = not self._lines
            self._lines.append(line)
        if first:
            self._loop.call_soon_threadsafe(self._something.set)

    async def settle(self, queue: str, job: str, attempt: int, verdict: Verdict) -> str:
        """Hand in an outcome and wait for the answer of `Broker.settle`."""
        answer: asyncio.Future[str] = self._loop.create_future()
        settlement = Settlement(job=job, attempt=attempt, verdict=verdict)
        self._outcomes.append(_Waiting(queue=queue, settlement=settlement, answer=answer))
        self._something.set()
        self._outcome.set()
        return await asyncio.shield(answer)

    async def run_once(self) -> None:
        """Wait for something to say, then say it. Raises ServerUnreachable; nothing is lost then."""
        await self._something.wait()
        if not self._outcomes:
            await self._linger()
        self._something.clear()
        self._outcome.clear()
        try:
            await self.flush()
        finally:
            if self._lines or self._outcomes:
                self._something.set()

    async def flush(self) -> None:
        """Send everything that is here now: lines first."""
        count = len(self._lines)
        outcomes = len(self._outcomes)
        while count > 0:
            sent = min(count, LINES_PER_CALL)
            await self._send_lines([self._lines[i] for i in range(sent)])
            for _ in range(sent):
                self._lines.popleft()
            count -= sent
        while outcomes > 0:
            outcomes -= await self._send_outcomes()

    async def _linger(self) -> None:
        """Lines alone wait a moment for more; an outcome cuts that short."""
        try:
            async with asyncio.timeout(LINGER_S):
                await self._outcome.wait()
        except TimeoutError:
            return

    async def _send_lines(self, lines: list[Line]) -> None:
        by_queue: dict[str, dict[tuple[str, int], list[Line]]] = {}
        for line in lines:
            jobs = by_queue.setdefault(line.queue, {})
            jobs.setdefault((line.job, line.attempt), []).append(line)
        for queue, jobs in by_queue.items():
            reports = [_report(job, attempt, said) for (job, attempt), said in jobs.items()]
            await self._brokers[queue].report(self._worker, reports, self._job_ttl_s)

    async def _send_outcomes(self) -> int:
        """Settle the first outcomes, all of one queue. Returns how many."""
        queue = self._outcomes[0].queue
        batch: list[_Waiting] = []
        for waiting in self._outcomes:
            if waiting.queue != queue or len(batch) == SETTLE_BATCH:
                break
            batch.append(waiting)
        answers = await self._brokers[queue].settle(
            self._worker, [waiting.settlement for waiting in batch], self._job_ttl_s
        )
        for answer in answers:
            waiting = self._outcomes.popleft()
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        return len(batch)


def _report(job: str, attempt: int, said: list[Line]) -> Report:
    """One report of a job's lines; of its progress, the last value counts."""
    texts = [[line.seq, line.at_ms, line.level, line.text] for line in said if line.text is not None]
    values = [line.progress for line in said if line.progress is not None]
    steps = [line.step for line in said if line.step is not None]
    return Report(
        job=job,
        attempt=attempt,
        lines=orjson.dumps(texts).decode() if texts else None,
        progress=values[-1] if values else None,
        step=steps[-1] if steps else None,
    )
