"""Takes jobs: waits for a bell, then claims as many as the backlog and the free slots allow."""

import asyncio
from collections.abc import Callable, Sequence

from infinitas.broker.broker import Broker, ClaimedJob
from infinitas.core.errors import ServerUnreachable
from infinitas.worker.slots import Slots


class Intake:
    """The intake of one queue.

    A claim starts at one job and doubles while the backlog lasts: fair when there is little to do,
    few round trips when there is much.
    """

    def __init__(
        self,
        broker: Broker,
        worker: str,
        tasks: Sequence[str],
        slots: Slots,
        start: Callable[[ClaimedJob], bool],
    ) -> None:
        self._broker = broker
        self._worker = worker
        self._tasks = tasks
        self._slots = slots
        self._start = start
        self._width = 1
        self._turn = 0
        self._backlog = True
        self._reply_lost = False

    async def run_once(self) -> None:
        """One claim, after waiting for a free slot and, where nothing is known to wait, for a bell."""
        await self._slots.wait_for_free()
        if not self._backlog:
            await self._broker.wait_for_bell(self._tasks)
        places = self._slots.reserve(self._width)
        if not places:
            self._backlog = True
            return
        claiming = asyncio.ensure_future(self._claim(places))
        try:
            await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Stopping: what this claim takes is ours, and must be run or handed back.
            await claiming
            raise

    async def _claim(self, places: int) -> None:
        started = 0
        try:
            if self._reply_lost:
                jobs = await self._broker.held(self._worker, self._tasks)
                self._reply_lost = False
            else:
                more, jobs = await self._broker.claim(self._worker, self._tasks, places, self._turn)
                self._turn = (self._turn + 1) % len(self._tasks)
                self._width = places * 2 if more and len(jobs) == places else 1
                self._backlog = more
            started = sum(self._start(job) for job in jobs)
        except ServerUnreachable:
            self._reply_lost = self._backlog = True
            raise
        finally:
            await self._slots.give_back(places - started)
