"""One queue's beat: says what the worker holds, and brings back what it doesn't know."""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from infinitas.broker.messages import HeartbeatAnswer, Settlement
from infinitas.core.errors import ServerFull, ServerUnreachable, WorkerGone
from infinitas.runtime.loop import LONGEST_WAIT_S
from infinitas.worker.attempt import Attempt
from infinitas.worker.transport.interface import Source

BEATS_PER_LEASE = 4
SOON_S = 0.1
SOON_BEATS = 20


def longest_wait_s(lease_s: float) -> float:
    """Between tries, after a fault: once Redis is back, a beat must come well within a lease."""
    return min(LONGEST_WAIT_S, lease_s / BEATS_PER_LEASE)


class Listener(Protocol):
    """Who hears the answers; every method may be called from any thread."""

    @property
    def id(self) -> str: ...
    def attempts(self) -> Iterable[Attempt]: ...
    def held(self, queue: str) -> Sequence[tuple[str, int]]: ...
    def facts(self) -> dict[str, str | int]: ...
    def heard(self, answer: HeartbeatAnswer) -> None: ...
    def reachable_again(self) -> None: ...
    def declared_dead(self) -> None: ...
    def settle_later(self, queue: str, settlement: Settlement) -> None: ...


class Beating:
    """Beats, then waits for the next time.

    Args:
        wait: sleeps until the worker is called for because of a job, and returns that job, or for
            so many seconds.
    """

    def __init__(
        self,
        source: Source,
        queue: str,
        listener: Listener,
        lease_s: float,
        wait: Callable[[float], Awaitable[str | None]],
    ) -> None:
        self._source = source
        self._edges = source.edges(queue)
        self._queue = queue
        self._listener = listener
        self._lease_s = lease_s
        self._wait = wait
        self._called: dict[str, int] = {}
        self._was_away = False

    async def run_once(self) -> None:
        """Raises WorkerGone, once the listener has heard of it; ServerUnreachable."""
        try:
            await self._beat_and_wait()
        except ServerUnreachable:
            self._was_away = True
            raise

    async def _beat_and_wait(self) -> None:
        listener, called = self._listener, self._called
        held = listener.held(self._queue)
        for id, _ in held:
            called.pop(id, None)
        try:
            answer = await self._edges.workers.beat(listener.id, held, self._lease_s)
        except WorkerGone:
            listener.declared_dead()
            raise
        listener.heard(answer)
        if self._was_away:
            listener.reachable_again()
            self._was_away = False
        facts = {**listener.facts(), "last_beat": answer.now_ms}
        # A full Redis counts beats and has no room for facts, which are there for people.
        with contextlib.suppress(ServerFull):
            await self._source.tell(listener.id, facts, self._lease_s)
        # A call may come before the worker knows that it holds the job: then beat again soon.
        pause_s = SOON_S if called else self._lease_s / BEATS_PER_LEASE
        for id in list(called):
            called[id] -= 1
            if not called[id]:
                del called[id]
        if caller := await self._wait(pause_s):
            called[caller] = SOON_BEATS
