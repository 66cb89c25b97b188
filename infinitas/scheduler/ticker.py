"""Fires due slots. No leader: each slot is fired by compare-and-set, and whoever lost stands by."""

import asyncio
from datetime import timedelta

from infinitas.broker.messages import DueSlot, DueSlots, UnreadableSlot
from infinitas.broker.queue import QueueBroker
from infinitas.broker.stored_rules import unplanned
from infinitas.core.errors import InfinitasError, ServerUnreachable
from infinitas.core.planner import Fire, plan
from infinitas.scheduler.set_aside import Aside
from infinitas.scheduler.wakeup import Wake

Plan = tuple[DueSlot, list[Fire]]
DUE_LIMIT = 500
STANDBY_WAIT = timedelta(milliseconds=250)
NOTHING_FIRED_S = 0.05
"""Before the next pass, so that slots that others fire, or can't be fired, never make a busy loop."""
LOOK_AGAIN_S = 1.0
"""What is passed over is the first in `due`, so an earlier slot that is stored wakes no scheduler."""


class Ticker:
    """One queue's ticker. It sleeps until the next slot, or until an earlier one is stored."""

    def __init__(self, broker: QueueBroker) -> None:
        self._schedules = broker.schedules
        self._standby = False
        self._wake = Wake(broker)
        self._aside = Aside(broker.schedules)

    async def run_once(self) -> None:
        """Fire what is due, or sleep until something is."""
        try:
            await self._wake.open()
            due = await self.look()
            if not due.found:
                await self._sleep(due)
            elif self._standby and (wait := _time_left(due)) > timedelta():
                await asyncio.sleep(wait / timedelta(seconds=1))
            elif not await self.fire(due) and due.slots:
                await asyncio.sleep(NOTHING_FIRED_S)
        except asyncio.CancelledError:
            self._wake.close()
            raise

    async def look(self) -> DueSlots:
        """What is due, without what stands in front and can't be read."""
        return await self._schedules.due(DUE_LIMIT, start=self._aside.start)

    async def fire(self, due: DueSlots) -> bool:
        """Fire what is due, and set aside what can't be read or planned. False: nothing was fired."""
        plans, bad = _plan(due)
        try:
            fired = any(await self._schedules.fire([fire for _, fires in plans for fire in fires]))
        except ServerUnreachable:
            raise
        except InfinitasError as error:
            fired, refused = await self._fire_apart(plans)
            if len(refused) == len(plans):
                raise error  # It is not about one of them.
            bad += refused
        if bad:
            await self._aside.pass_over(due.found, bad)
        # Who won nothing was beaten to it by another scheduler, and lets that one go first.
        self._standby = bool(plans) and not fired
        return fired

    async def _fire_apart(self, plans: list[Plan]) -> tuple[bool, list[UnreadableSlot]]:
        """One call for each schedule: what Redis has of one of them, such as its pause, may be damaged."""
        fired, refused = False, []
        for slot, fires in plans:
            try:
                fired = any(await self._schedules.fire(fires)) or fired
            except ServerUnreachable:
                raise
            except InfinitasError as error:
                refused.append(unplanned(slot, error))
        return fired, refused

    async def _sleep(self, due: DueSlots) -> None:
        seconds = None if due.following is None else (due.following - due.now) / timedelta(seconds=1)
        if not self._aside.empty:
            seconds = LOOK_AGAIN_S if seconds is None else min(seconds, LOOK_AGAIN_S)
        await self._wake.sleep(seconds)


def _time_left(due: DueSlots) -> timedelta:
    """How long the standby still leaves the oldest due slot to the other scheduler."""
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
        except Exception as error:  # noqa: BLE001 - whatever a stored rule brings about concerns it alone
            bad.append(unplanned(each, error))
    return plans, bad
