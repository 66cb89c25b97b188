"""Repeats one chore's `run_once`, also through outages of Redis and Postgres."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from infinitas.core.errors import InfinitasError, ServerUnreachable, WorkerGone
from infinitas.runtime.logging import get_logger

_log = get_logger("loop")
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 3.0
CANCEL_AGAIN_S = 0.2


class Loop:
    """Repeats `run_once` until cancelled. Logs each kind of fault once, until a pass has succeeded.

    After a fault it waits; the wait doubles up to `longest_wait_s`.

    Args:
        on_gone: called when a pass raises WorkerGone; the loop then waits to be cancelled.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], Awaitable[None]],
        longest_wait_s: float | None = None,
        on_gone: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self._run_once = run_once
        self._on_gone = on_gone
        self._longest_wait_s = LONGEST_WAIT_S if longest_wait_s is None else longest_wait_s
        self._wait = 0.0
        self._logged: set[str] = set()
        """Kinds of faults since the last pass that succeeded."""

    async def run(self) -> None:
        """Never returns; cancel it to stop."""
        while True:
            try:
                await self._run_once()
            except ServerUnreachable as error:
                if self._is_new(error.code):
                    _log.warning("%s: %s Trying again until it works.", self.name, error)
                await self._back_off()
            except InfinitasError as error:
                if isinstance(error, WorkerGone) and self._on_gone is not None:
                    self._on_gone()
                    await asyncio.Event().wait()
                if self._is_new(error.code):
                    _log.error("%s: %s (%s) Trying again until it works.", self.name, error, error.code)
                await self._back_off()
            except Exception as error:  # noqa: BLE001 - a defect in one pass must not end the process
                if self._is_new(type(error).__name__):
                    _log.exception("%s: this pass failed; the next one follows.", self.name)
                await self._back_off()
            else:
                if self._logged:
                    _log.info("%s: back to work.", self.name)
                self._wait = 0.0
                self._logged.clear()

    def _is_new(self, kind: str) -> bool:
        new = kind not in self._logged
        self._logged.add(kind)
        return new

    async def _back_off(self) -> None:
        self._wait = min(max(self._wait * 2, FIRST_WAIT_S), self._longest_wait_s)
        await asyncio.sleep(self._wait)


async def run_loops(loops: list[Loop], stop: asyncio.Event) -> None:
    """Run loops concurrently until `stop` is set, then cancel them and wait until they have ended."""
    tasks = [asyncio.create_task(loop.run(), name=loop.name) for loop in loops]
    try:
        await stop.wait()
    finally:
        await cancel_all(tasks)


async def cancel_all(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended.

    Cancels again while one is running: a client library may swallow a cancellation that arrives together
    with a reply, and the task would then begin another blocking read.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)


def retrieve(future: "asyncio.Future[Any]") -> None:
    """Done callback: retrieve the error, so that asyncio doesn't report it if the waiter is gone."""
    if not future.cancelled():
        future.exception()
