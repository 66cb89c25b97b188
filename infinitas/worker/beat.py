"""The beat, from a thread with an event loop of its own: a processor that blocks the worker's loop
doesn't make the worker look dead."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence

from infinitas.broker.connection import Connection
from infinitas.broker.workers import beat
from infinitas.runtime.loop import Loop, run_loops

BEATS_PER_LEASE = 4


class Beat:
    """Beats until stopped."""

    def __init__(
        self,
        redis_url: str,
        worker: str,
        tasks: Mapping[str, Sequence[str]],
        facts: Callable[[], dict[str, str | int]],
        lease_s: float,
    ) -> None:
        self._redis_url = redis_url
        self._worker = worker
        self._tasks = tasks
        self._facts = facts
        self._lease_s = lease_s
        self._connection: Connection | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="infinitas-beat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=5)

    async def run_once(self) -> None:
        assert self._connection is not None
        await beat(self._connection, self._worker, self._tasks, self._facts(), self._lease_s)
        await asyncio.sleep(self._lease_s / BEATS_PER_LEASE)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        self._connection = Connection(self._redis_url, "beat")
        try:
            await run_loops([Loop("beat", self.run_once)], self._stop)
        finally:
            await self._connection.close()
