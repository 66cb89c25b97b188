"""Detects jumps of Redis' clock, reports them, and corrects times that a fast clock has put off.

Slots fired while the clock was ahead are not fired again; their schedules stay silent until the clock has
passed them. Next slots and waiting jobs that were only planned meanwhile get their right time back.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from infinitas.broker.queue import QueueBroker
from infinitas.core.interval import describe_ms
from infinitas.core.plural import counted
from infinitas.runtime.logging import get_logger
from infinitas.scheduler.replanner import replan_all

_log = get_logger("scheduler")
CHECK_EVERY_S = 2.0
JUMP = timedelta(seconds=5)
PAGE = 500
_MS = timedelta(milliseconds=1)


class ClockMonitor:
    """Compares one queue's Redis clock with this process' monotonic clock."""

    def __init__(self, broker: QueueBroker, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._last: tuple[float, float, datetime] | None = None
        """The last check: when it was sent, when it was answered, and Redis' time in between."""
        self._done = ""

    async def run_once(self) -> None:
        await self.check()
        await asyncio.sleep(CHECK_EVERY_S)

    async def check(self) -> int:
        """Check once and react to a jump. Returns its size in ms: 0 for none, negative for back."""
        last, sent = self._last, self._clock()
        earliest = last[2] + timedelta(seconds=sent - last[1]) if last else None
        found = await self._broker.clock(earliest, done=self._done)
        answered, jump = self._clock(), found.jump_ms
        self._done = ""
        # A slow reply, or a pause of this process, is no jump.
        if last and not jump:
            ahead = found.now - (last[2] + timedelta(seconds=answered - last[0]))
            if ahead > JUMP:
                jump = ahead // _MS
                await self._broker.clock(None, ahead_ms=jump)
        self._last = (sent, answered, found.now)
        if jump:
            _log_jump(jump)
        if found.behind:
            await self._correct_times()
            self._done = found.behind
        return jump

    async def _correct_times(self) -> None:
        moved = await replan_all(self._broker.schedules)
        cursor, promoted = await self._broker.rewind("0", PAGE)
        while cursor != "0":
            cursor, more = await self._broker.rewind(cursor, PAGE)
            promoted += more
        if moved or promoted:
            _log.warning(
                "Redis' clock had been ahead: corrected the times of %s and %s.",
                counted(moved, "schedule"),
                counted(promoted, "waiting job"),
            )


def _log_jump(jump_ms: int) -> None:
    if jump_ms < 0:
        _log.error(
            "Redis' clock went back by %s. Slots that were fired while it was ahead are not fired again; "
            "their schedules are silent until the clock has passed them. Keep the clock of Redis' host in "
            "sync (NTP).",
            describe_ms(round(-jump_ms, -3)),
        )
    else:
        _log.error(
            "Redis' clock jumped forward by %s. Slots in between are late and follow their catch-up policy. "
            "If the new time is wrong, correct it now: what is fired by then is not fired again.",
            describe_ms(round(jump_ms, -3)),
        )
