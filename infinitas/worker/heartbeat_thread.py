"""Sends heartbeats from a thread with its own event loop: a processor that blocks the worker's loop
doesn't stop them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping

from infinitas.core.errors import InfinitasError, ServerUnreachable, WorkerGone
from infinitas.runtime.loop import Loop, cancel_all, run_loops
from infinitas.worker.heartbeat import Heartbeat, HeartbeatListener, longest_wait_s
from infinitas.worker.transport.interface import QueueTransport, Transport
from infinitas.worker.watchdog import CHECK_EVERY_S, Watchdog

WAIT_SLACK_S = 1.0
"""Redis times a blocking read by its wall clock: a clock set back would delay the next heartbeat."""
JOIN_THREAD_S = 5


class HeartbeatThread:
    """The heartbeats of a session in all its queues. A cancel notice sends the next one at once.

    Args:
        interrupts: the watchdog may interrupt code that blocks the loop.
    """

    def __init__(self, source: Transport, queues: Iterable[str], lease_s: float, interrupts: bool) -> None:
        self._source = source
        self._queues = list(queues)
        self._lease_s = lease_s
        self._interrupts = interrupts
        self._loop: asyncio.AbstractEventLoop
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run_thread, name="infinitas-heartbeat", daemon=True)

    def start(self, listener: HeartbeatListener) -> None:
        """Start the thread. Called in the worker's loop, which the watchdog watches from then on."""
        self._listener = listener
        # Not before: a session that can't join has no heartbeats, and its loop would never be closed.
        self._loop = asyncio.new_event_loop()
        self._watchdog = Watchdog(listener.attempts, self._interrupts)
        self._ticking = asyncio.create_task(Loop("watchdog", self._watchdog.tick_once).run())
        self._thread.start()

    async def stop(self) -> None:
        """End the thread and wait for it."""
        await cancel_all([self._ticking])
        self._watchdog.close()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=JOIN_THREAD_S)

    def _run_thread(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        source = self._source.clone("beat")
        edges = {queue: source.queue(queue) for queue in self._queues}
        longest = longest_wait_s(self._lease_s)
        loops = [Loop(f"heartbeat {each}", self._heartbeat(source, each), longest) for each in self._queues]
        loops.append(Loop("watchdog", self._check_loop(edges)))
        try:
            await run_loops(loops, self._stop)
            await source.remove_facts(self._listener.id)
        except ServerUnreachable:
            return  # The facts expire by themselves.
        finally:
            await source.close()

    def _heartbeat(self, source: Transport, queue: str) -> Callable[[], Awaitable[None]]:
        edges, worker = source.queue(queue), self._listener.id
        wait = bounded_wait(lambda pause_s: edges.waits.for_cancel(worker, pause_s))
        heartbeat = Heartbeat(source, queue, self._listener, self._lease_s, wait)

        async def run_once() -> None:
            try:
                await heartbeat.run_once()
            except InfinitasError as error:
                if not isinstance(error, WorkerGone) and source.refusal is None:
                    raise
                await self._stop.wait()

        return run_once

    def _check_loop(self, edges: Mapping[str, QueueTransport]) -> Callable[[], Awaitable[None]]:
        async def run_once() -> None:
            for queue, settlement in self._watchdog.check():
                try:
                    await edges[queue].jobs.settle(self._listener.id, [settlement])
                except ServerUnreachable:
                    self._listener.settle_later(queue, settlement)
            await asyncio.sleep(CHECK_EVERY_S)

        return run_once


def bounded_wait(wait: Callable[[float], Awaitable[str | None]]) -> Callable[[float], Awaitable[str | None]]:
    """Returns a `wait` that ends at most WAIT_SLACK_S late, whatever the server's clock does."""

    async def bounded(pause_s: float) -> str | None:
        try:
            async with asyncio.timeout(pause_s + WAIT_SLACK_S):
                return await wait(pause_s)
        except TimeoutError:
            return None

    return bounded
