"""The attempts that run in this worker now: starts, finds, cancels and loses them."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from infinitas.broker.messages import ClaimedJob
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import cancel_all
from infinitas.tasks.task import AnyTask
from infinitas.worker.attempt import Attempt, Interruption
from infinitas.worker.capacity import Capacity
from infinitas.worker.executor import Executor
from infinitas.worker.job_lines import log_lost, log_received
from infinitas.worker.outbox import Outbox

_log = get_logger("worker")
Held = Mapping[str, Sequence[tuple[str, int]]]
"""Queue → (job, attempt) of what runs."""


class RunningJobs:
    """Attempts by job and attempt number: code of an ended attempt may still run beside the next one.

    Args:
        on_end: called after each attempt whose code and end are over.
    """

    def __init__(
        self,
        tasks: Mapping[str, AnyTask],
        settings: Settings,
        outbox: Outbox,
        executor: Executor,
        capacity: Capacity,
        on_end: Callable[[], None],
    ) -> None:
        self._tasks = tasks
        self._settings = settings
        self._outbox = outbox
        self._executor = executor
        self._capacity = capacity
        self._on_end = on_end
        self._running: dict[tuple[str, int], tuple[Attempt, asyncio.Task[None]]] = {}
        self._none_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, claimed: ClaimedJob) -> bool:
        """Run a claimed job beside the others, in capacity that is reserved for it.

        Returns:
            False if it runs here already, or has just ended here.
        """
        key = claimed.id, claimed.attempt
        runs = key in self._running
        if self._outbox.settle_again(*key, claimed.due_ms, lingers=runs) or runs:
            return False
        attempt = Attempt(
            claimed, self._tasks[claimed.task], self._outbox, self._settings.job_ttl, self._settings.lease
        )
        log_received(claimed)
        self._running[key] = attempt, asyncio.create_task(self._run(attempt), name=claimed.id)
        return True

    def adopt(self, claimed: ClaimedJob) -> None:
        """Run a job that this worker holds already, even beyond its capacity."""
        if self.start(claimed):
            self._capacity.occupy()

    def attempts(self) -> list[Attempt]:
        """Thread-safe."""
        return [attempt for attempt, _ in list(self._running.values())]

    def held(self, queue: str) -> list[tuple[str, int]]:
        """(job, attempt) of what runs and has not ended. Thread-safe."""
        return [
            (attempt.claimed.id, attempt.claimed.attempt)
            for attempt in self.attempts()
            if attempt.task.definition.queue == queue and not attempt.ended
        ]

    def known(self) -> Collection[tuple[str, int]]:
        """(job, attempt) of what runs, or has ended and is not settled."""
        return {key for key, (each, _) in self._running.items() if not each.ended or each.unsettled}

    def apply(self, lost: Collection[str], cancels: Mapping[str, str]) -> None:
        """Stop the attempts of jobs that another worker has, or that were cancelled (job → why)."""
        for attempt in self.attempts():
            if attempt.claimed.id in lost:
                if not attempt.ended:
                    log_lost(attempt.claimed)
                attempt.lose()
            elif attempt.claimed.id in cancels:
                attempt.interrupt(Interruption(cancels[attempt.claimed.id]))

    def lose_all(self) -> None:
        for attempt in self.attempts():
            attempt.lose()

    async def wait_until_none(self) -> None:
        """Wait until code and end of every attempt are over."""
        self._none_left.clear()
        if self._running:
            await self._none_left.wait()

    async def wait_for_code(self, timeout_s: float) -> None:
        """Wait a limited time for the code of all attempts to return."""
        if self._running:
            await asyncio.wait([task for _, task in self._running.values()], timeout=timeout_s)

    async def abort_all(self) -> None:
        """Cancel the asyncio task of every attempt."""
        await cancel_all([task for _, task in self._running.values()])

    async def _run(self, attempt: Attempt) -> None:
        try:
            await self._executor.execute(attempt)
        except Exception:  # noqa: BLE001 - a defect of ours must not lose the capacity
            _log.exception("Job %s could not be run.", attempt.claimed.id)
        finally:
            # The capacity is free before Redis knows of the end, so that the next job comes with the same
            # round trip; unless Redis answers so slowly that unsettled ends would pile up.
            behind = self._outbox.unsettled > self._capacity.total
            if not behind:
                self._capacity.give_back()
            attempt.when_settled(partial(self._forget, attempt, behind))

    def _forget(self, attempt: Attempt, gives_back: bool) -> None:
        """Code and end of an attempt are over. Until now it must not begin here a second time."""
        del self._running[attempt.claimed.id, attempt.claimed.attempt]
        if gives_back:
            self._capacity.give_back()
        if not self._running:
            self._none_left.set()
        self._on_end()
