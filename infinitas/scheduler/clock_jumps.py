"""Notices that Redis' clock has jumped, reports it, and mends what a clock that was ahead has put off.

Slots that were fired while it was ahead are not fired again; until the clock has passed them, their
schedules are silent. All that was only planned or put off meanwhile gets its right time back.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from infinitas.broker.queue import QueueBroker
from infinitas.core.interval import describe_ms
from infinitas.runtime.logging import get_logger
from infinitas.scheduler.replanner import plan_anew

_log = get_logger("scheduler")
LOOK_EVERY_S = 2.0
JUMP = timedelta(seconds=5)
PAGE = 500
_MS = timedelta(milliseconds=1)


class ClockWatch:
    """One queue's look at Redis' clock, by this process' monotonic one."""

    def __init__(self, broker: QueueBroker, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._last: tuple[float, float, datetime] | None = None
        """When the last look was sent and answered here, and what Redis' clock showed in between."""
        self._done = ""

    async def run_once(self) -> None:
        await self.look()
        await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """One look, and what follows from it. Returns the ms of a jump, below 0 if it went back, or 0."""
        last, sent = self._last, self._clock()
        earliest = last[2] + timedelta(seconds=sent - last[1]) if last else None
        found = await self._broker.clock(earliest, done=self._done)
        answered, jump = self._clock(), found.jump_ms
        self._done = ""
        # An answer that took long, or a pause of this process, is no jump.
        if last and not jump:
            ahead = found.now - (last[2] + timedelta(seconds=answered - last[0]))
            if ahead > JUMP:
                jump = ahead // _MS
                await self._broker.clock(None, ahead_ms=jump)
        self._last = (sent, answered, found.now)
        if jump:
            _tell(jump)
        if found.behind:
            await self._mend()
            self._done = found.behind
        return jump

    async def _mend(self) -> None:
        moved = await plan_anew(self._broker.schedules)
        cursor, promoted = await self._broker.rewind("0", PAGE)
        while cursor != "0":
            cursor, more = await self._broker.rewind(cursor, PAGE)
            promoted += more
        if moved or promoted:
            _log.warning(
                "Redis' clock had been ahead: %d schedules and %d waiting jobs have their right times back.",
                moved,
                promoted,
            )


def _tell(jump_ms: int) -> None:
    if jump_ms < 0:
        _log.error(
            "Redis' clock went back by %s. Slots that were fired while it was ahead are not fired again; "
            "until it has passed them, their schedules are silent. Let Redis' host keep its time (NTP).",
            describe_ms(round(-jump_ms, -3)),
        )
    else:
        _log.error(
            "Redis' clock jumped forward by %s. Slots in between are late, and follow their catch-up policy. "
            "If that time is wrong, set it right now: what is fired by then is not fired again.",
            describe_ms(round(jump_ms, -3)),
        )
