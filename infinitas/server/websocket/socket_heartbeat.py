"""A remote worker's heartbeat: for each `beat` frame the server sends a beat to Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from infinitas.core.errors import WorkerGone
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.worker.heartbeat import SOON_S, Heartbeat, HeartbeatListener, longest_wait_s
from infinitas.worker.transport.interface import Transport


class SocketHeartbeat:
    """Beats after each `beat` frame, and at once when a job of the worker was cancelled.

    Args:
        on_beat: called before each beat.
        is_over: whether another connection serves the session now; then no beat follows.
    """

    def __init__(
        self,
        source: Transport,
        queues: Iterable[str],
        lease_s: float,
        on_beat: Callable[[], None],
        is_over: Callable[[], Awaitable[bool]],
    ) -> None:
        self._source = source
        self._waits = {queue: _Wait() for queue in queues}
        self._lease_s = lease_s
        self._on_beat = on_beat
        self._is_over = is_over
        self._loops: list[asyncio.Task[None]] = []

    def start(self, listener: HeartbeatListener) -> None:
        for queue, wait in self._waits.items():
            heartbeat = Heartbeat(self._source, queue, listener, self._lease_s, wait)
            run_once = self._until_gone(heartbeat)
            loop = Loop(f"beat {queue}", run_once, longest_wait_s(self._lease_s))
            self._loops.append(asyncio.create_task(loop.run()))

    async def stop(self) -> None:
        await cancel_all(self._loops)

    def beat(self) -> None:
        """A `beat` frame has arrived."""
        for wait in self._waits.values():
            wait.due.set()

    def notify_cancel(self, queue: str, job: str) -> None:
        """A job of this worker was cancelled."""
        self._waits[queue].job = job
        self._waits[queue].due.set()

    def _until_gone(self, heartbeat: Heartbeat) -> Callable[[], Awaitable[None]]:
        async def run_once() -> None:
            self._on_beat()
            try:
                if not await self._is_over():
                    return await heartbeat.run_once()
            except WorkerGone:
                pass
            await asyncio.Event().wait()

        return run_once


class _Wait:
    """Waits for the next beat. Returns the job whose cancellation has caused it, if any."""

    def __init__(self) -> None:
        self.due = asyncio.Event()
        self.job: str | None = None

    async def __call__(self, pause_s: float) -> str | None:
        """A pause of up to SOON_S ends by itself; a longer one ends with a frame or a cancel notice."""
        if pause_s > SOON_S:
            await self.due.wait()
        else:
            try:
                async with asyncio.timeout(pause_s):
                    await self.due.wait()
            except TimeoutError:
                return None
        self.due.clear()
        job, self.job = self.job, None
        return job
