"""Repeats one chore's `run_once`, also through outages of Redis and Postgres."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from infinitas.core.errors import InfinitasError, ServerUnreachable, WorkerGone
from infinitas.runtime.logging import get_logger
from infinitas.runtime.progress import Progress

_log = get_logger("loop")
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 3.0
CANCEL_AGAIN_S = 0.2
LONGEST_PASS_S = 300.0
"""Many times what a pass may wait for: reads block for ten seconds, and every call has a limit."""


class Loop:
    """Repeats `run_once` until cancelled. Logs each kind of fault once, until a pass has succeeded.

    After a fault it waits; the wait doubles up to `longest_wait_s`.

    Args:
        on_gone: called when a pass raises WorkerGone; the loop then waits to be cancelled.
        longest_pass_s: seconds after which a pass hangs; None: it may wait without end.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], Awaitable[None]],
        longest_wait_s: float | None = None,
        on_gone: Callable[[], None] | None = None,
        longest_pass_s: float | None = LONGEST_PASS_S,
    ) -> None:
        self.name = name
        self._run_once = run_once
        self._on_gone = on_gone
        self._longest_wait_s = LONGEST_WAIT_S if longest_wait_s is None else longest_wait_s
        self._wait = 0.0
        self._logged: set[str] = set()
        """Kinds of faults since the last pass that succeeded."""
        self._progress = Progress(name, longest_pass_s)

    async def run(self) -> None:
        """Never returns; cancel it to stop."""
        with self._progress:
            while True:
                self._progress.begin_pass()
                try:
                    await self._run_once()
                except Exception as error:  # noqa: BLE001 - a defect in one pass must not end the process
                    self._progress.end_pass(error)
                    await self._on_fault(error)
                else:
                    self._progress.end_pass()
                    if self._logged:
                        _log.info("%s: back to work.", self.name)
                    self._wait = 0.0
                    self._logged.clear()

    async def _on_fault(self, error: Exception) -> None:
        if isinstance(error, WorkerGone) and self._on_gone is not None:
            self._on_gone()
            # The session ends; until then there is nothing to do, and nothing hangs.
            self._progress.__exit__()
            await asyncio.Event().wait()
        kind = error.code if isinstance(error, InfinitasError) else type(error).__name__
        if kind not in self._logged:
            self._logged.add(kind)
            if isinstance(error, ServerUnreachable):
                _log.warning("%s: %s Trying again until it works.", self.name, error)
            elif isinstance(error, InfinitasError):
                _log.error("%s: %s (%s) Trying again until it works.", self.name, error, error.code)
            else:
                _log.error("%s: this pass failed; the next one follows.", self.name, exc_info=error)
        await self._back_off()

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
