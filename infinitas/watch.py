"""Watches for slots whose job did not start, or did not succeed, in time, and has an event written.

It runs in the scheduler and in the archiver, so that also the silence of all schedulers is noticed;
however many watch, each slot is told of once.
"""

import asyncio

from infinitas.broker.broker import Broker
from infinitas.runtime.logging import get_logger

_log = get_logger("watch")
LOOK_EVERY_S = 1.0
PAGE = 200


class Watch:
    """One queue's watch."""

    def __init__(self, broker: Broker) -> None:
        self._schedules = broker.schedules

    async def run_once(self) -> None:
        """One look at all that is overdue, a page at a time."""
        told = await self.look()
        if told:
            _log.warning("%d slots did not start, or did not succeed, in time.", told)
        await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Returns how many slots were told of."""
        start = told = 0
        while True:
            found = await self._schedules.overdue(start, PAGE)
            told += found.told
            start += found.unfired
            if max(found.unfired, found.jobs) < PAGE:
                return told
