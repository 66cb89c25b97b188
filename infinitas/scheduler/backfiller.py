"""Runs backfills: their slots become jobs a few at a time, so that live slots never wait for them."""

import asyncio

from infinitas.broker.queue import QueueBroker

SLOTS_PER_STEP = 100
IDLE_CHECK_S = 1.0
ACTIVE_CHECK_S = 0.05


class Backfiller:
    """Backfiller of one queue. Any number may run: each step is one atomic script."""

    def __init__(self, broker: QueueBroker) -> None:
        self._schedules = broker.schedules

    async def run_once(self) -> None:
        """Advance every backfill by one step, then sleep; briefly while there is one."""
        keys = await self._schedules.backfills()
        for key in keys:
            await self._schedules.fill_backfill(key, SLOTS_PER_STEP)
        await asyncio.sleep(ACTIVE_CHECK_S if keys else IDLE_CHECK_S)
