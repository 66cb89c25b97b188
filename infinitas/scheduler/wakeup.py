"""Sleeping until a moment, or until somebody stores an earlier one.

A blocking read in Redis ends some ten milliseconds late, so the moment itself is timed here; the
read stays open across sleeps and only brings wake-ups.
"""

import asyncio

from infinitas.broker.queue import QueueBroker
from infinitas.runtime.loop import retrieve


class Wake:
    """One loop's ear for wake-ups. No wake-up between two sleeps is missed."""

    def __init__(self, broker: QueueBroker) -> None:
        self._broker = broker
        self._seen: str | None = None
        self._listening: asyncio.Future[str] | None = None

    async def open(self) -> None:
        """Remember where the wake-ups stand; call before looking at what there is to do."""
        if self._seen is None:
            self._seen = await self._broker.waits.last_wakeup()

    async def sleep(self, seconds: float | None) -> None:
        """Sleep so long, or without end, or until a wake-up. Raises ServerUnreachable."""
        assert self._seen is not None, "open() first"
        if self._listening is None:
            self._listening = asyncio.ensure_future(self._broker.waits.for_wakeup(self._seen))
            self._listening.add_done_callback(retrieve)
        await asyncio.wait({self._listening}, timeout=seconds)
        if self._listening.done():
            heard, self._listening = self._listening, None
            self._seen = heard.result()

    def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
