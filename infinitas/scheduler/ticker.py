"""Fires due slots. No leader: each slot is fired by compare-and-set, and whoever lost stands by."""

import asyncio
from datetime import timedelta
from itertools import chain

from infinitas.broker.broker import Broker
from infinitas.broker.messages import DueSlots
from infinitas.core.errors import BadSchedule
from infinitas.core.planner import Fire, plan
from infinitas.runtime.logging import get_logger
from infinitas.scheduler.wake import Wake

_log = get_logger("scheduler")
DUE_LIMIT = 500
STANDBY_WAIT = timedelta(milliseconds=250)


class Ticker:
    """One queue's ticker. It sleeps until the next slot, or until an earlier one is stored."""

    def __init__(self, broker: Broker) -> None:
        self._schedules = broker.schedules
        self._standby = False
        self._wake = Wake(broker)

    async def run_once(self) -> None:
        """Fire what is due, or sleep until something is."""
        try:
            await self._wake.open()
            due = await self._schedules.due(DUE_LIMIT)
            if not due.slots:
                await self._sleep(due)
            elif self._standby and (wait := _time_left(due)) > timedelta():
                await asyncio.sleep(wait / timedelta(seconds=1))
            else:
                await self.fire(due)
        except asyncio.CancelledError:
            self._wake.close()
            raise

    async def fire(self, due: DueSlots) -> None:
        """Fire what is due."""
        fired = await self._schedules.fire(list(chain.from_iterable(_plan(due))))
        # Who won nothing was beaten to it by another scheduler, and lets that one go first.
        self._standby = not any(fired)

    async def _sleep(self, due: DueSlots) -> None:
        if due.following is None:
            await self._wake.sleep(None)
        else:
            await self._wake.sleep((due.following - due.now) / timedelta(seconds=1))


def _time_left(due: DueSlots) -> timedelta:
    """How long the standby still leaves the oldest due slot to the other scheduler."""
    return min(each.slot for each in due.slots) + STANDBY_WAIT - due.now


def _plan(due: DueSlots) -> "list[list[Fire]]":
    plans: list[list[Fire]] = []
    for each in due.slots:
        try:
            plans.append(list(plan(each.schedule, each.slot, due.now, each.seen)))
        except BadSchedule as error:
            _log.error("Schedule %s can't be planned: %s", each.schedule.key, error)
    return plans
