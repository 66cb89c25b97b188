"""Notices tasks whose last worker is gone, so that their slots' jobs don't wait for ever unseen."""

import asyncio

from infinitas.broker.broker import Broker
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
LOOK_EVERY_S = 1.0


class Janitor:
    """One queue's janitor."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def run_once(self) -> None:
        for task in await self._broker.orphan():
            _log.warning("No worker is left for the task %s.", task)
        await asyncio.sleep(LOOK_EVERY_S)
