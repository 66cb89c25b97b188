"""After an update of the time-zone database the next slots of cron schedules are computed anew."""

import asyncio
from collections.abc import Sequence

from infinitas.broker.messages import DueSlot
from infinitas.broker.queue import QueueBroker
from infinitas.broker.schedules import Schedules
from infinitas.runtime.logging import get_logger
from infinitas.runtime.tzdata import zones_version

_log = get_logger("scheduler")
LOOK_EVERY_S = 3600.0
PAGE = 500


class Replanner:
    """One queue's replanner. Of several schedulers the one with the newest database has its way."""

    def __init__(self, broker: QueueBroker, version: str | None = None) -> None:
        self._schedules = broker.schedules
        self._version = zones_version() if version is None else version

    async def run_once(self) -> None:
        await self.look()
        await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Returns how many next slots were moved: none unless this version is the newest."""
        known = await self._schedules.zones()
        if self._version <= known:
            return 0
        # The first scheduler of all finds slots that the same database has computed.
        moved = await plan_anew(self._schedules, crons=True) if known else 0
        # Only now: a scheduler that is killed on the way leaves the work to the next.
        await self._schedules.remember_zones(self._version)
        if moved:
            _log.warning("Time zones %s: %d schedules have another next slot.", self._version, moved)
        return moved


async def plan_anew(schedules: Schedules, *, crons: bool = False) -> int:
    """Compute the next slots of all schedules anew, or of the crons only. Returns how many were moved."""
    cursor, planned = await schedules.planned(0, PAGE)
    moved = await schedules.replan(_wanted(planned, crons))
    while cursor:
        cursor, planned = await schedules.planned(cursor, PAGE)
        moved += await schedules.replan(_wanted(planned, crons))
    return moved


def _wanted(planned: Sequence[DueSlot], crons: bool) -> list[DueSlot]:
    return [each for each in planned if not crons or each.schedule.cron is not None]
