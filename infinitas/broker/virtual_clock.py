"""A connection whose scripts run at a time that is set: for the testing kit."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from infinitas.broker.connection import Connection
from infinitas.core.codec import to_ms

_KEY = "infinitas:clock"


class ClockedConnection(Connection):
    """Call `set_clock` before anything else."""

    clock = "_virtual_clock"

    async def set_clock(self, moment: datetime) -> None:
        """Set the time for every connection on this clock. Raises ServerUnreachable."""
        await self.command("set", _KEY, to_ms(moment))


def empty(url: str) -> None:
    """Delete everything in a test's Redis. Raises ServerUnreachable."""

    async def flush() -> None:
        connection = Connection(url, "kit")
        try:
            await connection.command("flushall")
        finally:
            await connection.close()

    # In a thread: the caller may run inside an event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, flush()).result()
