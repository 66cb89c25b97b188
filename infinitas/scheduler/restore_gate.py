"""Holds the loops of a queue back until Redis has what the archive has, and restores it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from infinitas.broker.restoring import Mark
from infinitas.core.events import is_before
from infinitas.monitor.restorer import Restorer
from infinitas.runtime.error_text import error_line
from infinitas.runtime.logging import get_logger
from infinitas.runtime.progress import taking_its_time

_log = get_logger("restore")
CHECK_EVERY_S = 0.5
CHECK_AGAIN_S = 0.2
HOLD_S = 10.0
"""How long slots wait for a Postgres that is away, or can't be used, where Redis may have lost data."""


class RestoreGate:
    """The gate of one queue.

    A pass of a loop costs one GET: Redis' mark never falls, unless Redis has lost data. Only then, and at the
    start, Postgres is asked.
    """

    def __init__(self, restorer: Restorer, hold_s: float = HOLD_S) -> None:
        self._restorer = restorer
        self._hold_s = hold_s
        self._seen: str | None = None
        """The highest mark so far, with which loops may go on."""
        self._is_checked = False
        """Whether Postgres has confirmed that."""
        self._held_since: float | None = None
        self._one_at_a_time = asyncio.Lock()

    def held(self, run_once: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """`run_once` of a loop, as long as Redis lacks nothing."""

        async def run() -> None:
            if await self._is_open():
                await run_once()
            else:
                await asyncio.sleep(CHECK_AGAIN_S)

        return run

    async def run_once(self) -> None:
        """Check, also while the other loops sleep. Raises what a restore raises."""
        if not await self._is_open() or not self._is_checked:
            await self._check()
        await asyncio.sleep(CHECK_EVERY_S)

    async def _is_open(self) -> bool:
        mark = await self._restorer.edges.mark()
        if self._goes_on_with(mark):
            self._seen = mark.position
            return True
        try:
            await self._check()
        except Exception as error:  # noqa: BLE001 - also after a defect, the queue must not stand still for ever
            return self._give_up(mark.position, error)
        return False

    def _goes_on_with(self, mark: Mark) -> bool:
        return self._seen is not None and not mark.in_doubt and not is_before(mark.position, self._seen)

    async def _check(self) -> None:
        """Compare with Postgres, and restore what Redis lacks."""
        async with self._one_at_a_time:
            mark = await self._restorer.edges.mark()
            if self._is_checked and self._goes_on_with(mark):
                return  # Another loop has checked it meanwhile.
            if await self._restorer.is_needed() and not await self._restore():
                self._is_checked = False
                await asyncio.sleep(CHECK_AGAIN_S)  # Another process restores it.
                return
            self._seen, self._is_checked, self._held_since = mark.position, True, None

    async def _restore(self) -> bool:
        """Returns False where another process does it."""
        with taking_its_time():
            return await self._restorer.restore() is not None

    def _give_up(self, mark: str, error: Exception) -> bool:
        """Whether loops go on without a comparison: at once where Redis seems to lack nothing."""
        now = time.monotonic()
        self._held_since = now if self._held_since is None else self._held_since
        self._is_checked = False
        if (self._seen is None and mark) or now - self._held_since >= self._hold_s:
            _log.warning(
                "Queue %s: whether Redis has lost data is unknown. Slots are fired all the same. (%s)",
                self._restorer.queue,
                error_line(error),
            )
            self._seen, self._held_since = mark, None
            return True
        return False
