"""Watches for slots whose job did not start, or did not succeed, in time, and has an event written.

It runs in the scheduler and in the archiver, so that also the silence of all schedulers is noticed;
however many watch, each slot is told of once.
"""

import asyncio

from infinitas.broker.queue import QueueBroker
from infinitas.runtime.logging import get_logger

_log = get_logger("watch")
LOOK_EVERY_S = 1.0
PAGE = 200
PAGES = 10
"""Of one look, so that a great backlog, which is when it matters, leaves Redis to those who fire."""


class Watch:
    """One queue's watch."""

    def __init__(self, broker: QueueBroker) -> None:
        self._schedules = broker.schedules
        self._start = 0

    async def run_once(self) -> None:
        """One look; the next goes on where it ended."""
        told = await self.look()
        if told:
            _log.warning("%d slots did not start, or did not succeed, in time.", told)
        await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Returns how many slots were told of."""
        told = 0
        for _ in range(PAGES):
            found = await self._schedules.overdue(self._start, PAGE)
            told += found.reported
            self._start = self._start + PAGE if found.unfired == PAGE else 0
            if max(found.unfired, found.jobs) < PAGE:
                break
        return told
