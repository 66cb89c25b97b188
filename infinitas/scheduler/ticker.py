"""Fires due slots. There is no leader: compare-and-set fires each slot once, and the loser stands by."""

import asyncio
import time
from datetime import timedelta

from infinitas.broker.messages import DueSlot, DueSlots, UnreadableSlot
from infinitas.broker.queue import QueueBroker
from infinitas.broker.stored_rules import unplanned
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.planner import Fire, plan
from infinitas.scheduler.unreadable_schedules import UnreadableSchedules
from infinitas.scheduler.wakeup import Wakeup

Plan = tuple[DueSlot, list[Fire]]
DUE_LIMIT = 500
STANDBY_WAIT = timedelta(milliseconds=250)
NOTHING_FIRED_S = 0.05
"""Sleep after a pass that fired nothing, so that slots of other schedulers cause no busy loop."""
RECHECK_S = 1.0
"""Longest sleep while schedules are set aside: they stay first in `due`, so no wake-up comes for others."""


class Ticker:
    """Ticker of one queue. It sleeps until the next slot, or until an earlier one is stored."""

    def __init__(self, broker: QueueBroker) -> None:
        self._schedules = broker.schedules
        self._standby = False
        self._wakeup = Wakeup(broker)
        self._unreadable = UnreadableSchedules(broker.schedules)
        self.fired = 0
        """Slots that this ticker has fired."""
        self.passed_at = float("-inf")
        """When the last pass without a fault ended, on the monotonic clock."""

    async def run_once(self) -> None:
        """Fire what is due, or sleep until something is."""
        try:
            await self._wakeup.open()
            due = await self.read_due()
            if not due.found:
                await self._sleep(due)
            elif self._standby and (wait := _standby_left(due)) > timedelta():
                await asyncio.sleep(wait / timedelta(seconds=1))
            elif not await self.fire(due) and due.slots:
                await asyncio.sleep(NOTHING_FIRED_S)
            self.passed_at = time.monotonic()
        except asyncio.CancelledError:
            self._wakeup.close()
            raise

    async def read_due(self) -> DueSlots:
        """What is due, without unreadable schedules at the front."""
        return await self._schedules.due(DUE_LIMIT, start=self._unreadable.start)

    async def fire(self, due: DueSlots) -> bool:
        """Fire what is due and set aside what can't be read or planned. Returns whether anything fired."""
        plans, bad = _plan(due)
        try:
            fired = self._count(await self._schedules.fire([fire for _, fires in plans for fire in fires]))
        except ServerUnreachable:
            raise
        except InfinitasError as error:
            fired, refused = await self._fire_apart(plans)
            if len(refused) == len(plans):
                # Redis refuses every fire, so the fault is not in one schedule.
                await self._unreadable.set_aside(due.found, bad)
                raise error
            bad += refused
        if bad:
            await self._unreadable.set_aside(due.found, bad)
        # A scheduler that fired nothing was beaten by another, and lets that one go first.
        self._standby = bool(plans) and not fired
        return fired

    async def _fire_apart(self, plans: list[Plan]) -> tuple[bool, list[UnreadableSlot]]:
        """Fire each schedule in a call of its own, since one may have damaged data in Redis."""
        fired, refused = False, []
        for slot, fires in plans:
            try:
                fired = self._count(await self._schedules.fire(fires)) or fired
            except ServerUnreachable:
                raise
            except InfinitasError as error:
                refused.append(unplanned(slot, error))
        return fired, refused

    def _count(self, answers: list[bool]) -> bool:
        """Returns whether anything fired."""
        self.fired += sum(answers)
        return any(answers)

    async def _sleep(self, due: DueSlots) -> None:
        seconds = None if due.following is None else (due.following - due.now) / timedelta(seconds=1)
        if not self._unreadable.empty:
            seconds = RECHECK_S if seconds is None else min(seconds, RECHECK_S)
        await self._wakeup.sleep(seconds)


def _standby_left(due: DueSlots) -> timedelta:
    """How much longer a standby leaves the oldest due slot to the other scheduler."""
    if not due.slots:
        return timedelta()
    return min(each.slot for each in due.slots) + STANDBY_WAIT - due.now


def _plan(due: DueSlots) -> tuple[list[Plan], list[UnreadableSlot]]:
    plans: list[Plan] = []
    bad: list[UnreadableSlot] = []
    for each in due.found:
        if isinstance(each, UnreadableSlot):
            bad.append(each)
            continue
        try:
            plans.append((each, list(plan(each.schedule, each.slot, due.now, each.seen))))
        except Exception as error:  # noqa: BLE001 - an error of one stored rule concerns it alone
            bad.append(unplanned(each, error))
    return plans, bad
