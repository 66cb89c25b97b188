"""Heartbeats for connected workers while this server's own event loop is held up.

Beats of remote workers are read in the event loop. While it stands still, or is late, their silence proves
nothing about them: without these heartbeats a scheduler would declare them dead, and charge crashes to jobs.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.runtime.loop import Loop, cancel_all, run_loops
from infinitas.worker.heartbeat import HEARTBEATS_PER_LEASE

TICK_S = 0.05
HELD_UP_S = 0.25
"""Lateness of the event loop from which on it counts as held up."""
LONGEST_STALL_S = 60.0
"""A server whose loop stands still for longer counts as dead: other servers can have its workers' jobs."""
MOST_AT_ONCE = 100
JOIN_THREAD_S = 5.0


class StallGuard:
    """A thread that beats for all connected sessions while the loop is held up, and a lease longer.

    Args:
        connect: makes a connection for the thread's own event loop.
    """

    def __init__(self, connect: Callable[[], Connection], lease_s: float) -> None:
        self._connect = connect
        self._lease_s = lease_s
        self._sessions: dict[str, frozenset[str]] = {}
        """Queues of the sessions that a connected worker serves."""
        self._ticked_at = time.monotonic()
        self._late_until = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._thread_loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def add(self, session: str, queues: Collection[str]) -> None:
        """A worker is connected. Called in the server's loop; the first call starts the thread."""
        self._sessions[session] = frozenset(queues)
        if self._thread is None:
            self._ticked_at = time.monotonic()
            self._ticking = asyncio.create_task(self._tick())
            self._thread_loop, self._stop = asyncio.new_event_loop(), asyncio.Event()
            self._thread = threading.Thread(target=self._run_thread, name="infinitas-stall", daemon=True)
            self._thread.start()

    def remove(self, session: str) -> None:
        """No worker is connected for this session."""
        self._sessions.pop(session, None)

    async def close(self) -> None:
        """End the thread and wait for it."""
        if self._ticking is None or self._thread is None:
            return
        await cancel_all([self._ticking])
        with contextlib.suppress(RuntimeError):
            self._thread_loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join, JOIN_THREAD_S)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            if now - self._ticked_at > TICK_S + HELD_UP_S:
                self._late_until = now + self._lease_s
            self._ticked_at = now

    # All below runs in the thread.

    def _run_thread(self) -> None:
        try:
            self._thread_loop.run_until_complete(self._main())
        finally:
            self._thread_loop.close()

    async def _main(self) -> None:
        connection = self._connect()
        try:
            await run_loops([Loop("stall", lambda: self._run_once(connection), TICK_S)], self._stop)
        finally:
            await connection.close()

    async def _run_once(self, connection: Connection) -> None:
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
        still_s = now - self._ticked_at
        if not (TICK_S + HELD_UP_S < still_s < LONGEST_STALL_S or now < self._late_until):
            return
        beats = [
            QueueBroker(connection, queue).workers.beat_for(session)
            for session, queues in list(self._sessions.items())
            for queue in queues
        ]
        for place in range(0, len(beats), MOST_AT_ONCE):
            await asyncio.gather(*beats[place : place + MOST_AT_ONCE])
        await asyncio.sleep(self._lease_s / HEARTBEATS_PER_LEASE)
