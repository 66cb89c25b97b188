"""What becomes of a due slot: a job, or a recorded non-run. Pure; the ticker carries it out."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.core.codec import slot_job_id
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason

MAX_CHAIN = 500
"""Slots of one schedule planned in one pass, so that a long outage can't starve the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """One slot to fire, if it is still the expected one of the schedule as it was read.

    Attributes:
        next_slot: None if there is no other.
        unrun: why it gets no job; None: it gets one, unless the script finds a reason.
        seen: a digest of the stored rule that this was planned by.
    """

    schedule: Schedule
    slot: datetime
    next_slot: datetime | None
    unrun: Reason | None = None
    seen: str = ""

    @property
    def job(self) -> str:
        return slot_job_id(self.schedule.key, self.slot)


def plan(schedule: Schedule, slot: datetime, now: datetime, seen: str = "") -> Iterator[Fire]:
    """Fires for `slot` and the slots after it that are due by `now`, oldest first."""
    lookout = _Lookout(schedule, slot, now)
    for _ in range(MAX_CHAIN):
        unrun = Reason.CATCH_UP if lookout.leaves_out(slot) else None
        following = lookout.move_on()
        yield Fire(schedule=schedule, slot=slot, next_slot=following, unrun=unrun, seen=seen)
        if following is None or following > now:
            return
        slot = following


def plan_unrun(
    schedule: Schedule, slot: datetime, now: datetime, reason: Reason, seen: str = ""
) -> Iterator[Fire]:
    """The same slots, none of which is to run."""
    for _ in range(MAX_CHAIN):
        following = schedule.next_after(slot)
        yield Fire(schedule=schedule, slot=slot, next_slot=following, unrun=reason, seen=seen)
        if following is None or following > now:
            return
        slot = following


class _Lookout:
    """Sees as many due slots ahead as the catch-up policy needs, and computes each slot once."""

    def __init__(self, schedule: Schedule, slot: datetime, now: datetime) -> None:
        self._schedule = schedule
        self._now = now
        self._kept = {"none": 0, "latest": 1}.get(schedule.catch_up, schedule.catch_up_limit)
        window = schedule.catch_up_window_ms
        self._oldest = None if window is None else now - timedelta(milliseconds=window)
        self._last = slot
        self._ahead: deque[datetime | None] = deque()

    def leaves_out(self, slot: datetime) -> bool:
        """Whether a late slot is not among those that the policy makes up for."""
        if self._now - slot <= self._schedule.grace:
            return False
        if self._kept == 0 or (self._oldest is not None and slot < self._oldest):
            return True
        # It is among the newest n due slots if fewer than n due ones follow it.
        nth = self._see(self._kept)
        return nth is not None and nth <= self._now

    def move_on(self) -> datetime | None:
        """The next slot, which from now on is the current one."""
        self._see(1)
        return self._ahead.popleft()

    def _see(self, count: int) -> datetime | None:
        """The slot that is `count` ahead; None if there are not so many, or only later than now."""
        while len(self._ahead) < count:
            newest = self._ahead[-1] if self._ahead else self._last
            if newest is None or newest > self._now:
                return None
            following = self._schedule.next_after(newest)
            self._ahead.append(following)
            self._last = following or self._last
        return self._ahead[count - 1]
