"""The beat, from a thread with an event loop of its own: a processor that blocks the worker's loop
doesn't make the worker look dead. It says what the worker holds, and brings back what it doesn't know."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping

from infinitas.core.errors import ServerUnreachable, WorkerGone
from infinitas.runtime.loop import Loop, cancel_all, run_loops
from infinitas.worker.heartbeat import Beating, Listener, longest_wait_s
from infinitas.worker.transport.interface import Edges, Source
from infinitas.worker.watchdog import CHECK_EVERY_S, Watchdog

LATE_S = 1.0
"""Redis times a blocking read by its wall clock: set back, it would hold up the beat for as long."""


class Beat:
    """Beats until stopped, at once when the worker is called for."""

    def __init__(self, source: Source, queues: Iterable[str], lease_s: float, interrupts: bool) -> None:
        self._source = source
        self._queues = list(queues)
        self._lease_s = lease_s
        self._interrupts = interrupts
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="infinitas-beat", daemon=True)

    def start(self, session: Listener) -> None:
        """Called in the worker's loop, which is watched from now on."""
        self._listener = session
        self._watchdog = Watchdog(session.attempts, self._interrupts)
        self._ticking = asyncio.create_task(Loop("watchdog", self._watchdog.tick_once).run())
        self._thread.start()

    async def stop(self) -> None:
        """End the thread and wait for it."""
        await cancel_all([self._ticking])
        self._watchdog.close()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=5)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        source = self._source.apart("beat")
        edges = {queue: source.edges(queue) for queue in self._queues}
        longest = longest_wait_s(self._lease_s)
        loops = [Loop(f"beat {each}", self._beating(source, each), longest) for each in self._queues]
        loops.append(Loop("watchdog", self._watching(edges)))
        try:
            await run_loops(loops, self._stop)
            await source.forget(self._listener.id)
        except ServerUnreachable:
            return  # The facts expire by themselves.
        finally:
            await source.close()

    def _beating(self, source: Source, queue: str) -> Callable[[], Awaitable[None]]:
        edges, worker = source.edges(queue), self._listener.id
        wait = in_time(lambda pause_s: edges.waits.for_cancel(worker, pause_s))
        beating = Beating(source, queue, self._listener, self._lease_s, wait)

        async def run_once() -> None:
            try:
                await beating.run_once()
            except WorkerGone:
                await self._stop.wait()

        return run_once

    def _watching(self, edges: Mapping[str, Edges]) -> Callable[[], Awaitable[None]]:
        async def run_once() -> None:
            for queue, settlement in self._watchdog.check():
                try:
                    await edges[queue].jobs.settle(self._listener.id, [settlement])
                except ServerUnreachable:
                    self._listener.settle_later(queue, settlement)
            await asyncio.sleep(CHECK_EVERY_S)

        return run_once


def in_time(wait: Callable[[float], Awaitable[str | None]]) -> Callable[[float], Awaitable[str | None]]:
    """A wait that ends soon after its time, whatever the server's clock does."""

    async def bounded(pause_s: float) -> str | None:
        try:
            async with asyncio.timeout(pause_s + LATE_S):
                return await wait(pause_s)
        except TimeoutError:
            return None

    return bounded
