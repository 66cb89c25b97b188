"""A connection whose scripts take for now what one says: for the testing kit."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import ClassVar

from infinitas.broker.connection import Connection
from infinitas.core.codec import to_ms

_KEY = "infinitas:clock"


class ClockedConnection(Connection):
    """Call `set_clock` before anything else."""

    clock: ClassVar[str] = "_virtual_clock"

    async def set_clock(self, moment: datetime) -> None:
        """From now on, for everybody on this clock, it is `moment`. Raises ServerUnreachable."""
        await self.ask(self.redis.set(_KEY, to_ms(moment)))


def empty(url: str) -> None:
    """Delete everything in a test's Redis. Raises ServerUnreachable."""

    async def flush() -> None:
        connection = Connection(url, "kit")
        try:
            await connection.ask(connection.redis.flushall())
        finally:
            await connection.close()

    # In a thread: the caller may be inside an event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, flush()).result()
