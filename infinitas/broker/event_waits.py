"""One blocked read for the events of many queues: a process with 300 queues needs no 300 connections."""

import asyncio
import time
from dataclasses import dataclass

from infinitas.broker.connection import Connection
from infinitas.core.errors import InfinitasError
from infinitas.runtime.loop import cancel_all, retrieve

BLOCK_S = 0.25
"""A stream that is waited for while the read is blocked for others is included after so long."""


@dataclass(slots=True)
class _Wait:
    after: str
    until: float
    done: asyncio.Future[None]


class EventWaits:
    """Waits of all queues of a process, for the event loop that it lives in. `close` it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waits: dict[str, _Wait] = {}
        """By key of the stream: each has one reader."""
        self._reading: asyncio.Task[None] | None = None

    async def for_event(self, stream: str, after: str, block_ms: int) -> None:
        """Return when the stream may have an entry after a position, or the time is over.

        Raises:
            ServerUnreachable, and what else Redis refuses.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(retrieve)
        wait = self._waits[stream] = _Wait(after, time.monotonic() + block_ms / 1000, done)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            await done
        finally:
            if self._waits.get(stream) is wait:
                del self._waits[stream]

    async def close(self) -> None:
        if self._reading is not None:
            await cancel_all([self._reading])

    async def _read(self) -> None:
        while self._waits:
            asked = dict(self._waits)
            left = min(wait.until for wait in asked.values()) - time.monotonic()
            block_s = max(min(left, BLOCK_S), 0.001)
            try:
                found = await self._connection.command(
                    "xread",
                    {stream: wait.after for stream, wait in asked.items()},
                    count=1,
                    block=round(block_s * 1000) or 1,
                )
            except InfinitasError as error:
                self._end(asked, error)
                continue
            now = time.monotonic()
            come = {stream for stream, _ in found or ()}
            self._end({key: wait for key, wait in asked.items() if key in come or wait.until <= now})

    def _end(self, waits: dict[str, _Wait], error: InfinitasError | None = None) -> None:
        for stream, wait in waits.items():
            if self._waits.get(stream) is wait:
                del self._waits[stream]
            if wait.done.done():
                continue
            wait.done.set_result(None) if error is None else wait.done.set_exception(error)
