"""Sleeps until a time, or until an earlier one is stored.

A blocking read in Redis returns some ten milliseconds late, so the time itself is measured here. The read
stays open across sleeps and only delivers wake-ups.
"""

import asyncio

from infinitas.broker.queue import QueueBroker
from infinitas.runtime.loop import retrieve


class Wakeup:
    """Sleeps until a time or the next wake-up; misses none between two sleeps."""

    def __init__(self, broker: QueueBroker) -> None:
        self._broker = broker
        self._last: str | None = None
        self._reading: asyncio.Future[str] | None = None

    async def open(self) -> None:
        """Remember the last wake-up; call this before reading what is due."""
        if self._last is None:
            self._last = await self._broker.waits.last_wakeup()

    async def sleep(self, seconds: float | None) -> None:
        """Sleep for `seconds` (None: without end), or until a wake-up. Raises ServerUnreachable."""
        assert self._last is not None, "open() first"
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._broker.waits.for_wakeup(self._last))
            self._reading.add_done_callback(retrieve)
        await asyncio.wait({self._reading}, timeout=seconds)
        if self._reading.done():
            finished, self._reading = self._reading, None
            self._last = finished.result()

    def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
