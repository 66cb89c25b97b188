"""Reports slots whose job did not start, or did not succeed, in time, as an event.

It runs in the scheduler and in the archiver, so it works while no scheduler runs. However many monitors
run, each slot is reported once.
"""

import asyncio

from infinitas.broker.queue import QueueBroker
from infinitas.core.plural import counted
from infinitas.runtime.logging import get_logger

_log = get_logger("overdue")
CHECK_EVERY_S = 1.0
PAGE = 200
PAGES = 10
"""Pages per check. Bounded, so that under a backlog the schedulers can use Redis."""


class OverdueMonitor:
    """Checks the slots of one queue."""

    def __init__(self, broker: QueueBroker) -> None:
        self._schedules = broker.schedules
        self._start = 0

    async def run_once(self) -> None:
        """Check, then rest. The next check begins where this one ended."""
        reported = await self.check()
        if reported:
            _log.warning("%s did not start, or did not succeed, in time.", counted(reported, "slot"))
        await asyncio.sleep(CHECK_EVERY_S)

    async def check(self) -> int:
        """Report overdue slots. Returns how many there were."""
        reported = 0
        for _ in range(PAGES):
            found = await self._schedules.overdue(self._start, PAGE)
            reported += found.reported
            self._start = self._start + PAGE if found.unfired == PAGE else 0
            if max(found.unfired, found.jobs) < PAGE:
                break
        return reported
