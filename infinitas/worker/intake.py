"""Takes jobs: waits for a bell, then claims as many as the backlog and the free slots allow."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from infinitas.broker.connection import LONGEST_BLOCK_S
from infinitas.broker.messages import Claim, ClaimedJob
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.worker.slots import Slots
from infinitas.worker.source import Edges

TURNS_TO_SEND = 2
"""Of the event loop, until a call is on its way to Redis: the caller's, and that of the batch it joins."""


class Intake:
    """The intake of one queue.

    A claim starts at one job and doubles while the backlog lasts: fair when there is little to do,
    few round trips when there is much.

    Args:
        groups: names of tasks, those of the highest priority first.
        start: runs a claimed job; False if it runs here already.
        patience_s: how long to wait for a bell before looking again.
    """

    def __init__(
        self,
        broker: Edges,
        worker: str,
        groups: Sequence[Sequence[str]],
        slots: Slots,
        job_ttl_s: int,
        start: Callable[[ClaimedJob], bool],
        patience_s: float = LONGEST_BLOCK_S,
    ) -> None:
        self.idle = asyncio.Event()
        """Set while the last look found nothing to take."""
        self._broker = broker
        self._worker = worker
        self._groups = groups
        self._tasks = [name for group in groups for name in group]
        self._slots = slots
        self._job_ttl_s = job_ttl_s
        self._start = start
        self._patience_s = patience_s
        self._width = 1
        self._turn = 0
        self._wait_s = 0.0
        self._look_at_held = False
        self._ahead: asyncio.Task[None] | None = None
        """The claim that is on its way."""
        self._stopping = False

    async def run_once(self) -> None:
        """One claim, after waiting for a free slot and, where nothing is known to wait, for a bell.

        Raises:
            WorkerGone: the worker was declared dead.
        """
        if self._ahead is None:
            await self._wait_for_work()
            self._ahead = self._send_claim()
        if self._ahead is None:
            return
        claiming, self._ahead = self._ahead, None
        try:
            await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Stopping: what these claims take is ours, and must be run or handed back. Their own
            # failure must not hide the cancellation.
            self._stopping = True
            for task in (claiming, self._ahead):
                if task is not None:
                    with contextlib.suppress(InfinitasError):
                        await task
            raise

    async def _wait_for_work(self) -> None:
        await self._slots.wait_for_free()
        if self._wait_s:
            rung = await self._broker.wait_for_bell(self._tasks, self._wait_s)
            # Nothing for a while: a good moment to see whether Redis and we agree on what runs here.
            self._look_at_held = not rung and self._wait_s == self._patience_s

    def _send_claim(self) -> "asyncio.Task[None] | None":
        places = 0 if self._stopping else self._slots.reserve(self._width)
        if not places:
            self._wait_s = 0.0
            return None
        return asyncio.create_task(self._claim(places))

    async def _claim(self, places: int) -> None:
        started = 0
        try:
            if self._look_at_held:
                jobs = await self._broker.held(self._worker)
                self._look_at_held, self._wait_s = False, 0.0
            else:
                claim = await self._claim_new(places)
                jobs = claim.jobs
                if claim.more:
                    # Redis finds the next jobs while these run here.
                    self._ahead = self._send_claim()
                    for _ in range(TURNS_TO_SEND):
                        await asyncio.sleep(0)
            for job in jobs:
                if started < places:
                    started += self._start(job)
        except ServerUnreachable:
            # The claim may have been applied, and its reply lost.
            self._look_at_held, self._wait_s = True, 0.0
            raise
        finally:
            self._slots.return_unused(places - started)

    async def _claim_new(self, places: int) -> Claim:
        claim = await self._broker.claim(self._worker, self._groups, places, self._turn, self._job_ttl_s)
        self._turn += 1
        self._width = self._next_width(places) if claim.more and len(claim.jobs) == places else 1
        self._wait_s = 0.0 if claim.more else claim.wait_s or self._patience_s
        if claim.jobs or claim.more:
            self.idle.clear()
        else:
            self.idle.set()
        return claim

    def _next_width(self, places: int) -> int:
        """Half of all places at most: one half runs while the other is on its way."""
        return min(places * 2, max(self._slots.total // 2, 1))
