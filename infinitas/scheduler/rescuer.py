"""Declares workers dead whose heartbeat counter stood still for a whole lease, and requeues their jobs.

It trusts only its own observation: other machines' clocks, idle times and expiry play no part, since after
a minute without Redis they would make every healthy worker seem dead. Silence is measured on our own
monotonic clock, between two checks that succeeded. After a check or a rescue that Redis refused it starts
at zero again, since Redis refused heartbeats as well.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
CHECKS_PER_LEASE = 10


@dataclass(slots=True)
class _Observed:
    count: int | None
    silent_s: float = 0.0


class Rescuer:
    """Rescuer of one queue. Any number may run: the script acts only if the counter is still the same."""

    def __init__(
        self, broker: QueueBroker, lease_s: float, job_ttl_s: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._broker = broker
        self._lease_s = lease_s
        self._job_ttl_s = job_ttl_s
        self._clock = clock
        self._every_s = lease_s / CHECKS_PER_LEASE
        self._observed: dict[str, _Observed] = {}
        self._last_check: float | None = None
        self._failed: set[str] = set()
        """Workers whose rescue has failed; each is logged once."""

    async def run_once(self) -> None:
        """Find silent workers, rescue their jobs, sleep. Raises ServerUnreachable."""
        try:
            for worker, count in await self.find_silent():
                await self._rescue_or_log(worker, count)
        except InfinitasError:
            self._observed, self._last_check = {}, None
            raise
        await asyncio.sleep(self._every_s)

    async def find_silent(self) -> list[tuple[str, int | None]]:
        """Workers that have been silent for a lease, with their counter."""
        beats = await self._broker.workers.beats()
        now = self._clock()
        # A long gap is an outage or a pause of this process; it proves nothing about the workers.
        passed = 0.0 if self._last_check is None else min(now - self._last_check, 2 * self._every_s)
        self._last_check = now
        observed: dict[str, _Observed] = {}
        for worker, count in beats.items():
            before = self._observed.get(worker)
            silent = before.silent_s + passed if before and before.count == count else 0.0
            observed[worker] = _Observed(count, silent)
        self._observed = observed
        return [(w, o.count) for w, o in observed.items() if o.count is None or o.silent_s >= self._lease_s]

    async def _rescue_or_log(self, worker: str, count: int | None) -> None:
        try:
            await self.rescue(worker, count)
        except ServerUnreachable:
            raise
        except InfinitasError:
            # A fault in one worker's records must not keep the others from being rescued.
            if worker not in self._failed:
                _log.exception("The jobs of worker %s could not be moved on; it is tried again.", worker)
            self._failed.add(worker)

    async def rescue(self, worker: str, count: int | None) -> None:
        """Declare `worker` dead, unless it sent a heartbeat since, and move all its jobs on."""
        moved = await self._broker.workers.rescue_all(worker, count or 0, self._job_ttl_s)
        if moved is not None:
            _log.warning("Worker %s is dead; %d of its jobs move on.", worker, moved)
            self._observed.pop(worker, None)
