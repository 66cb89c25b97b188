"""Waits for the ends of jobs: one blocked read for all jobs that a client waits for."""

import asyncio

from infinitas.broker.queue import QueueBroker
from infinitas.runtime.loop import retrieve

CHECK_AGAIN_S = 5.0


class EndWaiter:
    """Waits in one queue. A waiter is notified when its job has ended; it then fetches the job."""

    def __init__(self, broker: QueueBroker) -> None:
        self._broker = broker
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._position: str | None = None
        self._listening: asyncio.Task[None] | None = None

    async def wait(self, id: str) -> None:
        """Return once the job has ended, or is gone. Raises ServerUnreachable."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(id, []).append(ended)
        try:
            if self._position is None:
                self._position = await self._broker.waits.last_end()
            # Checked after the position is known, so that an end in between is not missed.
            while not ended.done() and (await self._broker.waits.await_end([id]))[0]:
                _raise_swallowed_cancel()
                if self._listening is None or self._listening.done():
                    self._listening = asyncio.create_task(self._listen(self._position))
                    self._listening.add_done_callback(retrieve)
                # The stream of ends is short: an end that it has dropped is found by the next check.
                await asyncio.wait(
                    {ended, self._listening}, timeout=CHECK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED
                )
                if self._listening.done():
                    self._listening.result()
        finally:
            self._forget(id, ended)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening}, timeout=1)

    def _forget(self, id: str, ended: "asyncio.Future[None]") -> None:
        waiters = self._waiting.get(id, [])
        if ended in waiters:
            waiters.remove(ended)
        if not waiters:
            self._waiting.pop(id, None)

    async def _listen(self, position: str) -> None:
        while self._waiting:
            position, ids = await self._broker.waits.for_ends(position)
            self._position = position
            for id in ids:
                for waiter in self._waiting.pop(id, []):
                    if not waiter.done():
                        waiter.set_result(None)


def _raise_swallowed_cancel() -> None:
    """redis-py may swallow a cancellation that arrives together with a reply; a time limit would be lost."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
