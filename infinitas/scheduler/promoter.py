"""Promotes jobs whose waiting time is over: they become ready."""

import asyncio
from datetime import timedelta

from infinitas.broker.queue import QueueBroker
from infinitas.scheduler.wakeup import Wakeup

PROMOTE_LIMIT = 500
LONGEST_SLEEP_S = 3_600.0
_SECOND = timedelta(seconds=1)


class Promoter:
    """Promoter of one queue. It sleeps until the next job's time, or until an earlier job is stored."""

    def __init__(self, broker: QueueBroker, job_ttl_s: int) -> None:
        self._broker = broker
        self._job_ttl_s = job_ttl_s
        self._wakeup = Wakeup(broker)

    async def run_once(self) -> None:
        """Promote what is due; if nothing more is, sleep until something is."""
        try:
            await self._wakeup.open()
            promoted = await self._broker.jobs.promote(PROMOTE_LIMIT, self._job_ttl_s)
            if promoted.following is None:
                await self._wakeup.sleep(None)
            elif promoted.following > promoted.now:
                seconds = min((promoted.following - promoted.now) / _SECOND, LONGEST_SLEEP_S)
                await self._wakeup.sleep(seconds)
        except asyncio.CancelledError:
            self._wakeup.close()
            raise
