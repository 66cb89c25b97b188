"""One queue's heartbeat: sends what the worker holds, and passes on Redis' corrections."""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from infinitas.broker.messages import HeartbeatAnswer, Settlement
from infinitas.core.errors import InfinitasError, ServerFull, ServerUnreachable, WorkerGone
from infinitas.runtime.loop import LONGEST_WAIT_S
from infinitas.worker.attempt import Attempt
from infinitas.worker.transport.interface import Transport

HEARTBEATS_PER_LEASE = 4
SOON_S = 0.1
SOON_HEARTBEATS = 20
"""How many quick heartbeats follow the cancel notice of a job that the worker doesn't hold yet."""


def longest_wait_s(lease_s: float) -> float:
    """Longest pause between retries after a fault: a heartbeat must arrive well within a lease."""
    return min(LONGEST_WAIT_S, lease_s / HEARTBEATS_PER_LEASE)


class HeartbeatListener(Protocol):
    """Callbacks for heartbeat answers, and the facts that a heartbeat sends. Thread-safe."""

    @property
    def id(self) -> str: ...
    def attempts(self) -> Iterable[Attempt]: ...
    def held(self, queue: str) -> Sequence[tuple[str, int]]: ...
    def facts(self) -> dict[str, str | int]: ...
    def on_heartbeat(self, answer: HeartbeatAnswer) -> None: ...
    def on_reconnect(self) -> None: ...
    def on_declared_dead(self) -> None: ...
    def on_refused(self, refusal: InfinitasError) -> None: ...
    def settle_later(self, queue: str, settlement: Settlement) -> None: ...


class Heartbeats(Protocol):
    """Sends the heartbeats of one session, from `start` to `stop`."""

    def start(self, listener: HeartbeatListener) -> None: ...
    async def stop(self) -> None: ...


class Heartbeat:
    """The heartbeats of one worker in one queue.

    Args:
        wait: sleeps for a number of seconds, or until a job of this worker is cancelled. Returns that
            job's id, or None.
    """

    def __init__(
        self,
        source: Transport,
        queue: str,
        listener: HeartbeatListener,
        lease_s: float,
        wait: Callable[[float], Awaitable[str | None]],
    ) -> None:
        self._source = source
        self._edges = source.queue(queue)
        self._queue = queue
        self._listener = listener
        self._lease_s = lease_s
        self._wait = wait
        self._quick_heartbeats: dict[str, int] = {}
        """Job with a cancel notice that is not held yet → how many quick heartbeats are left."""
        self._was_unreachable = False

    async def run_once(self) -> None:
        """Send one heartbeat, then wait until the next one is due.

        Raises:
            WorkerGone, or the transport's refusal: the listener was notified.
            ServerUnreachable: no answer came.
        """
        try:
            await self._beat_and_wait()
        except ServerUnreachable:
            self._was_unreachable = True
            raise

    async def _beat_and_wait(self) -> None:
        listener, quick = self._listener, self._quick_heartbeats
        held = listener.held(self._queue)
        for id, _ in held:
            quick.pop(id, None)
        try:
            answer = await self._edges.workers.beat(listener.id, held, self._lease_s)
        except WorkerGone:
            listener.on_declared_dead()
            raise
        except InfinitasError:
            if self._source.refusal is not None:
                listener.on_refused(self._source.refusal)
            raise
        listener.on_heartbeat(answer)
        if self._was_unreachable:
            listener.on_reconnect()
            self._was_unreachable = False
        facts = {**listener.facts(), "last_beat": answer.now_ms}
        # A full Redis counts heartbeats but has no room for facts, which only people read.
        with contextlib.suppress(ServerFull):
            await self._source.store_facts(listener.id, facts, self._lease_s)
        # A cancel notice may arrive before the claim that brings its job: then beat again soon.
        pause_s = SOON_S if quick else self._lease_s / HEARTBEATS_PER_LEASE
        for id in list(quick):
            quick[id] -= 1
            if not quick[id]:
                del quick[id]
        if cancelled := await self._wait(pause_s):
            quick[cancelled] = SOON_HEARTBEATS
