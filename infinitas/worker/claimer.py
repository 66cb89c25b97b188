"""Takes jobs: waits for a bell, then claims as many as the backlog and the free slots allow."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Collection, Sequence

from infinitas.broker.connection import LONGEST_BLOCK_S
from infinitas.broker.messages import Claim, ClaimedJob, ClaimRequest
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.worker.capacity import Slots
from infinitas.worker.transport.interface import Edges

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
        known: (job, attempt) of all that runs here, or is over and not settled.
        alone: nobody else takes places. Then, while nothing runs here, a bell and the claim of one job
            are one round trip: the place that is free when it begins to wait is free when the bell rings,
            and no code of a job can keep this loop from hearing of it.
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
        *,
        known: Callable[[], Collection[tuple[str, int]]] = frozenset,
        alone: bool = False,
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
        self._known = known
        self._alone = alone
        self._width = 1
        self._turn = 0
        self._wait_s = 0.0
        self._look_at_held = False
        self._look = ""
        """The last look at what is held; it voids every claim that was sent before."""
        self._ahead: asyncio.Task[None] | None = None
        """The claim that is on its way."""
        self._stopping = False

    def look_soon(self) -> None:
        """Compare with Redis what runs here, though no place may be free: Redis was away and may be older."""
        self._look_at_held, self._wait_s = True, 0.0
        self._slots.wake()

    async def run_once(self) -> None:
        """One claim, after waiting for a free slot and, where nothing is known to wait, for a bell.

        Raises:
            WorkerGone: the worker was declared dead.
        """
        if self._ahead is None:
            self._ahead = await self._wait_and_claim()
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

    async def _wait_and_claim(self) -> "asyncio.Task[None] | None":
        await self._slots.wait_for_free()
        if self._wait_s and self._alone and not self._slots.busy:
            if claim := await self._claim_when_rung():
                places = self._slots.reserve(1)
                return asyncio.create_task(self._begin(self._answered(claim, 1), places))
        elif self._wait_s:
            self._note_silence(await self._wait_for_bell())
        return self._send_claim()

    async def _wait_for_bell(self) -> bool:
        try:
            return await self._broker.waits.for_bell(self._tasks, self._wait_s)
        except ServerUnreachable:
            self._look_at_held, self._wait_s = True, 0.0
            raise

    async def _claim_when_rung(self) -> Claim | None:
        try:
            rung, claim = await self._broker.jobs.claim_when_rung(self._request(1), self._wait_s)
        except asyncio.CancelledError:
            # Stopping, and Redis may have handed out a job meanwhile: that is ours, as above.
            self._look_at_held = True
            with contextlib.suppress(InfinitasError):
                await self._claim(self._slots.reserve(1))
            raise
        except ServerUnreachable:
            self._look_at_held, self._wait_s = True, 0.0
            raise
        self._note_silence(rung)
        return claim

    def _note_silence(self, rung: bool) -> None:
        # Nothing for a while: a good moment to see whether Redis and we agree on what runs here.
        self._look_at_held |= not rung and self._wait_s == self._patience_s

    def _send_claim(self) -> "asyncio.Task[None] | None":
        places = 0 if self._stopping else self._slots.reserve(self._width)
        if not places and (self._stopping or not self._look_at_held):
            self._wait_s = 0.0
            return None
        return asyncio.create_task(self._claim(places))

    async def _claim(self, places: int) -> None:
        try:
            claim = await (self._what_is_held() if self._look_at_held else self._claim_new(places))
        except ServerUnreachable:
            # The claim may have been applied, and its reply lost.
            self._look_at_held, self._wait_s = True, 0.0
            self._slots.return_unused(places)
            self._slots.wake()  # The next look must not wait for a free place.
            raise
        except BaseException:
            self._slots.return_unused(places)
            raise
        await self._begin(claim, places)

    async def _begin(self, claim: Claim, places: int) -> None:
        """Begin the jobs that were claimed, in the places that were reserved for them."""
        started = 0
        try:
            if claim.more:
                # Redis finds the next jobs while these run here.
                self._ahead = self._send_claim()
                for _ in range(TURNS_TO_SEND):
                    await asyncio.sleep(0)
            for job in claim.jobs:
                if self._start(job):
                    started += 1
                    if started > places:
                        self._slots.occupy()  # Held already, so it takes a place, free or not.
        finally:
            self._slots.return_unused(max(places - started, 0))

    async def _what_is_held(self) -> Claim:
        # As of now: what is settled while Redis answers is known no more then, and must not begin again.
        look, known = secrets.token_hex(4), self._known()
        jobs = await self._broker.jobs.held(self._worker, look)
        self._look, self._look_at_held, self._wait_s = look, False, 0.0
        return Claim(more=False, wait_s=0.0, jobs=[j for j in jobs if (j.id, j.attempt) not in known])

    async def _claim_new(self, places: int) -> Claim:
        return self._answered(await self._broker.jobs.claim(self._request(places)), places)

    def _request(self, most: int) -> ClaimRequest:
        return ClaimRequest(self._worker, self._groups, most, self._job_ttl_s, self._turn, self._look)

    def _answered(self, claim: Claim, places: int) -> Claim:
        """Take down what a claim says of the next one."""
        self._turn += 1
        self._look_at_held |= claim.outdated
        self._width = self._next_width(places) if claim.more and len(claim.jobs) == places else 1
        self._wait_s = 0.0 if claim.more or self._look_at_held else claim.wait_s or self._patience_s
        if claim.jobs or claim.more or claim.outdated:
            self.idle.clear()
        else:
            self.idle.set()
        return claim

    def _next_width(self, places: int) -> int:
        """Half of all places at most: one half runs while the other is on its way."""
        return min(places * 2, max(self._slots.total // 2, 1))
