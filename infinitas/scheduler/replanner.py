"""Recomputes the next slots of cron schedules after an update of the time-zone database."""

import asyncio
from collections.abc import Sequence

from infinitas.broker.messages import DueSlot
from infinitas.broker.queue import QueueBroker
from infinitas.broker.schedules import Schedules
from infinitas.core.plural import counted
from infinitas.runtime.logging import get_logger
from infinitas.runtime.tzdata import tzdata_version

_log = get_logger("scheduler")
CHECK_EVERY_S = 3600.0
PAGE = 500


class Replanner:
    """Replanner of one queue. If schedulers differ, the newest time-zone database wins."""

    def __init__(self, broker: QueueBroker, version: str | None = None) -> None:
        self._schedules = broker.schedules
        self._version = tzdata_version() if version is None else version

    async def run_once(self) -> None:
        await self.replan()
        await asyncio.sleep(CHECK_EVERY_S)

    async def replan(self) -> int:
        """Recompute next slots if this database is the newest. Returns how many were moved."""
        known = await self._schedules.zones()
        if self._version <= known:
            return 0
        # Without a known version the stored slots were computed by this same database.
        moved = await replan_all(self._schedules, crons=True) if known else 0
        # Stored last: if this scheduler is killed before, another one replans.
        await self._schedules.remember_zones(self._version)
        if moved:
            _log.warning(
                "Time zones %s: another next slot for %s.", self._version, counted(moved, "schedule")
            )
        return moved


async def replan_all(schedules: Schedules, *, crons: bool = False) -> int:
    """Recompute the next slots of all schedules, or only of cron ones. Returns how many were moved."""
    cursor, planned = await schedules.planned(0, PAGE)
    moved = await schedules.replan(_chosen(planned, crons))
    while cursor:
        cursor, planned = await schedules.planned(cursor, PAGE)
        moved += await schedules.replan(_chosen(planned, crons))
    return moved


def _chosen(planned: Sequence[DueSlot], crons: bool) -> list[DueSlot]:
    return [each for each in planned if not crons or each.schedule.cron is not None]
