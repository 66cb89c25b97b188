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
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from infinitas.broker.answers import APPLIED, GONE, SettleAnswer
from infinitas.broker.messages import Settlement
from infinitas.core.errors import InfinitasError, ServerFull
from infinitas.runtime.logging import get_logger
from infinitas.worker.recent_settlements import RecentSettlements
from infinitas.worker.reports import Reports
from infinitas.worker.transport.interface import QueueTransport

_log = get_logger("worker")
SETTLE_BATCH = 200
FULL_WAIT_S = 1.0
LINGER_S = 0.2
OnAnswer = Callable[[SettleAnswer], object]


def ignore_answer(answer: SettleAnswer) -> None:
    """Discard a settle answer."""


class Outbox:
    """One per worker session. `reports.add` is thread-safe; `settle` belongs to the worker's loop."""

    def __init__(self, worker: str, brokers: Mapping[str, QueueTransport], job_ttl_s: int) -> None:
        self._worker = worker
        self._brokers = brokers
        self._outcomes: deque[tuple[str, Settlement, OnAnswer]] = deque()
        """Queue, what to settle, and the callback for Redis' answer."""
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        """The thread of the loop."""
        self._not_empty = asyncio.Event()
        self.reports = Reports(
            worker, brokers, job_ttl_s, partial(self.loop.call_soon_threadsafe, self._not_empty.set)
        )
        self._has_outcome = asyncio.Event()
        self._recent = RecentSettlements()

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
            if self.reports or self._outcomes:
                self._not_empty.set()

    async def flush(self) -> None:
        """Send everything, when the worker stops. Raises ServerUnreachable."""
        while self._outcomes or self.reports:
            if self._outcomes:
                await self._send_outcomes()
            else:
                await self.reports.send_oldest()

    def give_up(self, error: InfinitasError) -> None:
        """Send no more: answer `gone` to all callbacks, and call `on_error` of all lines."""
        while self._outcomes:
            self._outcomes.popleft()[2](GONE)
        self.reports.give_up(error)

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
            await self.reports.send_oldest()
        except ServerFull:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FULL_WAIT_S):
                    await self._has_outcome.wait()

    async def _send_outcomes(self) -> None:
        """Settle the oldest outcomes, all of one queue, after the reports of their jobs."""
        queue = self._outcomes[0][0]
        batch: list[Settlement] = []
        for each in self._outcomes:
            if each[0] != queue or len(batch) == SETTLE_BATCH:
                break
            batch.append(each[1])
        if self.reports:
            await self.reports.send_of([(settlement.job, settlement.attempt) for settlement in batch])
        answers = await self._brokers[queue].jobs.settle(self._worker, batch)
        now = time.monotonic()
        for settlement, answer in zip(batch, answers, strict=True):
            if answer is APPLIED and not settlement.over:
                self._recent.keep(queue, settlement, now)
            self._outcomes.popleft()[2](answer)
        self._recent.drop_old(now)
