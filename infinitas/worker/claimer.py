"""Claims ready jobs: waits for a bell, then claims what the backlog holds and the capacity allows."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Collection, Sequence

from infinitas.broker.connection import LONGEST_BLOCK_S
from infinitas.broker.messages import Claim, ClaimedJob, ClaimRequest
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.worker.capacity import Capacity
from infinitas.worker.transport.interface import QueueTransport

TURNS_TO_SEND = 2
"""Turns of the event loop until a call is on its way to Redis: its own, and that of the batch it joins."""


class Claimer:
    """The claimer of one queue.

    A claim starts at one job and doubles while the backlog lasts: fair when there is little to do,
    few round trips when there is much.

    Args:
        groups: names of tasks, those of the highest priority first.
        start: runs a claimed job; returns False if it runs here already.
        patience_s: how long to wait for a bell before claiming anyway.
        known: returns (job, attempt) of all that runs here, or has ended and is not settled.
        exclusive: only this claimer uses the capacity. Then, while nothing runs here, the wait for a
            bell and the claim of one job are one round trip: capacity that is free when the wait begins
            is free when the bell rings, and no job's code can block the loop meanwhile.
        fence: begins the ids of reconciliations (list_held.lua); with one, the claimer begins with one.
    """

    def __init__(
        self,
        broker: QueueTransport,
        worker: str,
        groups: Sequence[Sequence[str]],
        capacity: Capacity,
        job_ttl_s: int,
        start: Callable[[ClaimedJob], bool],
        patience_s: float = LONGEST_BLOCK_S,
        *,
        known: Callable[[], Collection[tuple[str, int]]] = frozenset,
        exclusive: bool = False,
        fence: str = "",
    ) -> None:
        self.idle = asyncio.Event()
        """Set while the last claim found nothing."""
        self._broker = broker
        self._worker = worker
        self._groups = groups
        self._tasks = [name for group in groups for name in group]
        self._capacity = capacity
        self._job_ttl_s = job_ttl_s
        self._start = start
        self._patience_s = patience_s
        self._known = known
        self._exclusive = exclusive
        self._batch = 1
        """How many jobs the next claim takes at most."""
        self._turn = 0
        self._wait_s = 0.0
        """How long to wait for a bell before the next claim."""
        self._fence = fence
        self._must_reconcile = bool(fence)
        """The next call compares with Redis what this worker holds, instead of claiming."""
        self._reconciliation = ""
        """Id of the last reconciliation; Redis refuses every claim that was sent before it."""
        self._next_claim: asyncio.Task[None] | None = None
        """The claim that is on its way."""
        self._stopping = False

    def reconcile_soon(self) -> None:
        """Compare with Redis what runs here, even without free capacity: Redis was away, and may be older."""
        self._must_reconcile, self._wait_s = True, 0.0
        self._capacity.wake()

    async def run_once(self) -> None:
        """Make one claim, after waiting for free capacity and, if no backlog is known, for a bell.

        Raises:
            WorkerGone: the worker was declared dead.
            ServerUnreachable: no answer came; the next call reconciles.
        """
        if self._next_claim is None:
            self._next_claim = await self._wait_and_claim()
        if self._next_claim is None:
            return
        claiming, self._next_claim = self._next_claim, None
        try:
            await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Stopping: jobs that these claims bring are this worker's, and must run or be handed back.
            # An error of theirs must not hide the cancellation.
            self._stopping = True
            for task in (claiming, self._next_claim):
                if task is not None:
                    with contextlib.suppress(InfinitasError):
                        await task
            raise

    async def _wait_and_claim(self) -> "asyncio.Task[None] | None":
        if not await self._capacity.wait_for_free():
            return None
        if self._wait_s and self._exclusive and not self._capacity.busy:
            if claim := await self._claim_when_rung():
                reserved = self._capacity.reserve(1)
                return asyncio.create_task(self._begin(self._note_answer(claim, 1), reserved))
        elif self._wait_s:
            self._reconcile_after_silence(await self._wait_for_bell())
        return self._send_claim()

    async def _wait_for_bell(self) -> bool:
        try:
            return await self._broker.waits.for_bell(self._tasks, self._wait_s)
        except ServerUnreachable:
            self._must_reconcile, self._wait_s = True, 0.0
            raise

    async def _claim_when_rung(self) -> Claim | None:
        try:
            rung, claim = await self._broker.jobs.claim_when_rung(self._request(1), self._wait_s)
        except asyncio.CancelledError:
            # Stopping, but Redis may have handed out a job meanwhile: reconcile to receive it.
            self._must_reconcile = True
            with contextlib.suppress(InfinitasError):
                await self._claim(self._capacity.reserve(1))
            raise
        except ServerUnreachable:
            self._must_reconcile, self._wait_s = True, 0.0
            raise
        self._reconcile_after_silence(rung)
        return claim

    def _reconcile_after_silence(self, rung: bool) -> None:
        # No bell for the whole wait: Redis has time to compare what runs here.
        self._must_reconcile |= not rung and self._wait_s == self._patience_s

    def _send_claim(self) -> "asyncio.Task[None] | None":
        reserved = 0 if self._stopping else self._capacity.reserve(self._batch)
        if not reserved and (self._stopping or not self._must_reconcile):
            self._wait_s = 0.0
            return None
        return asyncio.create_task(self._claim(reserved))

    async def _claim(self, reserved: int) -> None:
        try:
            claim = await (self._reconcile() if self._must_reconcile else self._claim_new(reserved))
        except ServerUnreachable:
            # The claim may have been applied, and its reply lost.
            self._must_reconcile, self._wait_s = True, 0.0
            self._capacity.return_unused(reserved)
            self._capacity.wake()  # The reconciliation must not wait for free capacity.
            raise
        except BaseException:
            self._capacity.return_unused(reserved)
            raise
        await self._begin(claim, reserved)

    async def _begin(self, claim: Claim, reserved: int) -> None:
        """Start the claimed jobs in the reserved capacity."""
        started = 0
        try:
            if claim.more:
                # Redis finds the next jobs while these run here.
                self._next_claim = self._send_claim()
                for _ in range(TURNS_TO_SEND):
                    await asyncio.sleep(0)
            for job in claim.jobs:
                if self._start(job):
                    started += 1
                    if started > reserved:
                        self._capacity.occupy()  # This worker holds it already, beyond its capacity or not.
        finally:
            self._capacity.return_unused(max(reserved - started, 0))

    async def _reconcile(self) -> Claim:
        """Returns the jobs that Redis counts as this worker's and that don't run here."""
        # `known` before the call: a job that is settled while Redis answers must not begin again.
        reconciliation, known = self._fence + secrets.token_hex(4), self._known()
        jobs = await self._broker.jobs.list_held(self._worker, reconciliation)
        self._reconciliation, self._must_reconcile, self._wait_s = reconciliation, False, 0.0
        return Claim(more=False, wait_s=0.0, jobs=[j for j in jobs if (j.id, j.attempt) not in known])

    async def _claim_new(self, reserved: int) -> Claim:
        return self._note_answer(await self._broker.jobs.claim(self._request(reserved)), reserved)

    def _request(self, most: int) -> ClaimRequest:
        return ClaimRequest(
            self._worker, self._groups, most, self._job_ttl_s, self._turn, self._reconciliation
        )

    def _note_answer(self, claim: Claim, reserved: int) -> Claim:
        """Derive size and wait of the next claim from this one's answer."""
        self._turn += 1
        self._must_reconcile |= claim.outdated
        self._batch = self._next_batch(reserved) if claim.more and len(claim.jobs) == reserved else 1
        self._wait_s = 0.0 if claim.more or self._must_reconcile else claim.wait_s or self._patience_s
        if claim.jobs or claim.more or claim.outdated:
            self.idle.clear()
        else:
            self.idle.set()
        return claim

    def _next_batch(self, reserved: int) -> int:
        """Half of the capacity at most: one half runs while the other is on its way."""
        return min(reserved * 2, max(self._capacity.total // 2, 1))
