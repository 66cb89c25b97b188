"""Declares dead the workers that it has itself seen silent for a lease, and moves their jobs on.

Clocks of other machines, idle times and expiry play no part: after a minute without Redis every
healthy worker would look dead by them. Silence counts on our own monotonic clock, from one look that
succeeded to the next; after a look or a rescue that Redis refused it counts from the beginning, for
beats were refused as well.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
LOOKS_PER_LEASE = 10


@dataclass(slots=True)
class _Seen:
    count: int | None
    silent_s: float = 0.0


class Rescuer:
    """One queue's rescuer. Any number may run: the script declares dead only on the counter seen."""

    def __init__(
        self, broker: QueueBroker, lease_s: float, job_ttl_s: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._broker = broker
        self._lease_s = lease_s
        self._job_ttl_s = job_ttl_s
        self._clock = clock
        self._every_s = lease_s / LOOKS_PER_LEASE
        self._seen: dict[str, _Seen] = {}
        self._last_look: float | None = None
        self._failed: set[str] = set()
        """Workers whose rescue has failed, which is logged once."""

    async def run_once(self) -> None:
        """One look, and what follows from it. Raises ServerUnreachable."""
        try:
            for worker, count in await self.look():
                await self._rescue_or_log(worker, count)
        except InfinitasError:
            self._seen, self._last_look = {}, None
            raise
        await asyncio.sleep(self._every_s)

    async def look(self) -> list[tuple[str, int | None]]:
        """Workers that have been silent for a lease, with the counter that was seen."""
        beats = await self._broker.workers.beats()
        now = self._clock()
        # After an outage, or a pause of this process, the gap says nothing about the workers.
        passed = 0.0 if self._last_look is None else min(now - self._last_look, 2 * self._every_s)
        self._last_look = now
        seen: dict[str, _Seen] = {}
        for worker, count in beats.items():
            before = self._seen.get(worker)
            silent = before.silent_s + passed if before and before.count == count else 0.0
            seen[worker] = _Seen(count, silent)
        self._seen = seen
        return [(w, s.count) for w, s in seen.items() if s.count is None or s.silent_s >= self._lease_s]

    async def _rescue_or_log(self, worker: str, count: int | None) -> None:
        try:
            await self.rescue(worker, count)
        except ServerUnreachable:
            raise
        except InfinitasError:
            # What is wrong with one worker's records must not keep the others from being rescued.
            if worker not in self._failed:
                _log.exception("The jobs of worker %s could not be moved on; it is tried again.", worker)
            self._failed.add(worker)

    async def rescue(self, worker: str, count: int | None) -> None:
        """Declare `worker` dead, unless it has beaten since, and move all its jobs on."""
        moved = await self._broker.workers.rescue_all(worker, count or 0, self._job_ttl_s)
        if moved is not None:
            _log.warning("Worker %s is dead; %d of its jobs move on.", worker, moved)
            self._seen.pop(worker, None)
