"""Ends moves of tasks that were cut short, and moves on what running jobs leave in the former queue."""

import asyncio
import time

from infinitas.broker.moves import Moves, Target
from infinitas.runtime.logging import get_logger

_log = get_logger("scheduler")
CHECK_EVERY_S = 2.0
WHOLE_EVERY_S = 60.0


class TaskMover:
    """Task mover of one queue. Any number may run."""

    def __init__(self, moves: Moves) -> None:
        self._moves = moves
        self._targets: dict[str, Target] = {}
        self._whole_at = 0.0
        """When everything is looked through next, on the monotonic clock."""

    async def run_once(self) -> None:
        """Move on what waits, then sleep."""
        await self.move()
        await asyncio.sleep(CHECK_EVERY_S)

    async def move(self) -> int:
        """Move on what waits. Returns how much it was."""
        targets = await self._moves.targets()
        whole = targets != self._targets or time.monotonic() >= self._whole_at
        swept = await self._moves.sweep(whole=whole)
        self._targets = targets
        if whole:
            # Schedules whose current job still runs follow as soon as it has ended.
            self._whole_at = time.monotonic() + (0 if swept.stayed else WHOLE_EVERY_S)
        if swept.packed:
            _log.info("Moved %d jobs and schedules of %s.", swept.packed, ", ".join(sorted(targets)[:5]))
        return swept.packed
