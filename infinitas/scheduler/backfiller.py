"""Feeds backfills: their slots become jobs a few at a time, so that live slots never wait for them."""

import asyncio

from infinitas.broker.queue import QueueBroker

FEED_MOST = 100
LOOK_EVERY_S = 1.0
FEED_EVERY_S = 0.05


class Backfiller:
    """One queue's backfiller. Any number may run: each step is one atomic script."""

    def __init__(self, broker: QueueBroker) -> None:
        self._schedules = broker.schedules

    async def run_once(self) -> None:
        """Feed every backfill that there is; look again soon while there is one."""
        keys = await self._schedules.backfills()
        for key in keys:
            await self._schedules.feed(key, FEED_MOST)
        await asyncio.sleep(FEED_EVERY_S if keys else LOOK_EVERY_S)
