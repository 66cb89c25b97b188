"""Detects tasks whose last worker is gone, so that their slots' jobs don't wait unnoticed."""

import asyncio

from infinitas.broker.queue import QueueBroker
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
CHECK_EVERY_S = 1.0
SHOWN = 5


class OrphanDetector:
    """Orphan detector of one queue. Any number may run."""

    def __init__(self, broker: QueueBroker) -> None:
        self._broker = broker

    async def run_once(self) -> None:
        """Put the slots' jobs of orphaned tasks on their no-processor deadline, log the tasks, sleep."""
        if tasks := await self._broker.workers.orphan():
            more = f" and {len(tasks) - SHOWN} more tasks" if len(tasks) > SHOWN else ""
            _log.warning("No worker is left for %s%s.", ", ".join(tasks[:SHOWN]), more)
        await asyncio.sleep(CHECK_EVERY_S)
