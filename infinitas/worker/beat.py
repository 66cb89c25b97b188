"""The beat, from a thread with an event loop of its own: a processor that blocks the worker's loop
doesn't make the worker look dead. It says what the worker holds, and brings back what it doesn't know."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from infinitas.broker.broker import Broker
from infinitas.broker.connection import Connection
from infinitas.broker.messages import BeatAnswer, Settlement
from infinitas.broker.workers import forget, tell
from infinitas.core.errors import ServerUnreachable, WorkerGone
from infinitas.runtime.loop import Loop, run_loops
from infinitas.worker.watchdog import CHECK_EVERY_S

BEATS_PER_LEASE = 4
SOON_S = 0.1
SOON_BEATS = 20


class Listener(Protocol):
    """Who hears the answers; every method is called in the beat's thread."""

    def held(self, queue: str) -> Sequence[tuple[str, int]]: ...
    def facts(self) -> dict[str, str | int]: ...
    def heard(self, answer: BeatAnswer) -> None: ...
    def declared_dead(self) -> None: ...
    def overdue(self) -> Sequence[tuple[str, Settlement]]: ...
    def settle_later(self, queue: str, settlement: Settlement) -> None: ...


class Beat:
    """Beats until stopped, at once when the worker is called for."""

    def __init__(
        self, redis_url: str, worker: str, queues: Mapping[str, object], listener: Listener, lease_s: float
    ) -> None:
        self._redis_url = redis_url
        self._worker = worker
        self._queues = list(queues)
        self._listener = listener
        self._lease_s = lease_s
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="infinitas-beat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=5)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        connection = Connection(self._redis_url, "beat")
        brokers = {queue: Broker(connection, queue) for queue in self._queues}
        loops = [Loop(f"beat {queue}", self._beating(broker)) for queue, broker in brokers.items()]
        loops.append(Loop("watchdog", self._watching(brokers)))
        try:
            await run_loops(loops, self._stop)
            await forget(connection, self._worker)
        except ServerUnreachable:
            return  # The facts expire by themselves.
        finally:
            await connection.close()

    def _beating(self, broker: Broker) -> Callable[[], Awaitable[None]]:
        called: dict[str, int] = {}

        async def run_once() -> None:
            held = self._listener.held(broker.keys.queue)
            for id, _ in held:
                called.pop(id, None)
            try:
                answer = await broker.beat(self._worker, held, self._lease_s)
            except WorkerGone:
                self._listener.declared_dead()
                await self._stop.wait()
                return
            self._listener.heard(answer)
            facts = {**self._listener.facts(), "last_beat": answer.now_ms}
            await tell(broker.connection, self._worker, facts, self._lease_s)
            # A call may come before the worker knows that it holds the job: then beat again soon.
            pause_s = SOON_S if called else self._lease_s / BEATS_PER_LEASE
            for id in list(called):
                called[id] -= 1
                if not called[id]:
                    del called[id]
            if caller := await broker.wait_for_call(self._worker, pause_s):
                called[caller] = SOON_BEATS

        return run_once

    def _watching(self, brokers: Mapping[str, Broker]) -> Callable[[], Awaitable[None]]:
        async def run_once() -> None:
            for queue, settlement in self._listener.overdue():
                try:
                    await brokers[queue].settle(self._worker, [settlement])
                except ServerUnreachable:
                    self._listener.settle_later(queue, settlement)
            await asyncio.sleep(CHECK_EVERY_S)

        return run_once
