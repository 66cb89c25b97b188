"""Decides what a due slot becomes: a job, or a recorded non-run. Pure; the ticker applies it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason

MAX_CHAIN = 500
"""Most slots of one schedule planned in one pass, so that its backlog can't starve the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """One slot to fire, if the schedule still expects it and is still the one that was read.

    Attributes:
        next_slot: None if there is no later one.
        unrun: why it gets no job; None: it gets one, unless the script finds a reason.
        seen: digest of the stored rule that this was planned from.
    """

    schedule: Schedule
    slot: datetime
    next_slot: datetime | None
    unrun: Reason | None = None
    seen: str = ""


def plan(schedule: Schedule, slot: datetime, now: datetime, seen: str = "") -> Iterator[Fire]:
    """Fires for `slot` and the slots after it that are due by `now`, oldest first."""
    ahead = _SlotsAhead(schedule, slot, now)
    for _ in range(MAX_CHAIN):
        unrun = Reason.CATCH_UP if ahead.leaves_out(slot) else None
        following = ahead.advance()
        yield Fire(schedule=schedule, slot=slot, next_slot=following, unrun=unrun, seen=seen)
        if following is None or following > now:
            return
        slot = following


def plan_unrun(
    schedule: Schedule, slot: datetime, now: datetime, reason: Reason, seen: str = ""
) -> Iterator[Fire]:
    """The same slots, each as a non-run with `reason`."""
    for _ in range(MAX_CHAIN):
        following = schedule.next_after(slot)
        yield Fire(schedule=schedule, slot=slot, next_slot=following, unrun=reason, seen=seen)
        if following is None or following > now:
            return
        slot = following


class _SlotsAhead:
    """Computes as many due slots ahead as the catch-up policy needs, each once."""

    def __init__(self, schedule: Schedule, slot: datetime, now: datetime) -> None:
        self._schedule = schedule
        self._now = now
        self._kept = {"none": 0, "latest": 1}.get(schedule.catch_up, schedule.catch_up_limit)
        window = schedule.catch_up_window_ms
        self._oldest = None if window is None else now - timedelta(milliseconds=window)
        self._last = slot
        self._ahead: deque[datetime | None] = deque()

    def leaves_out(self, slot: datetime) -> bool:
        """Whether the policy leaves this late slot out."""
        if self._now - slot <= self._schedule.grace:
            return False
        if self._kept == 0 or (self._oldest is not None and slot < self._oldest):
            return True
        # It is among the newest n due slots if fewer than n due ones follow it.
        nth = self._compute(self._kept)
        return nth is not None and nth <= self._now

    def advance(self) -> datetime | None:
        """Make the next slot the current one, and return it."""
        self._compute(1)
        return self._ahead.popleft()

    def _compute(self, count: int) -> datetime | None:
        """The slot `count` ahead; None if there are fewer, or it is behind one later than now."""
        while len(self._ahead) < count:
            newest = self._ahead[-1] if self._ahead else self._last
            if newest is None or newest > self._now:
                return None
            following = self._schedule.next_after(newest)
            self._ahead.append(following)
            self._last = following or self._last
        return self._ahead[count - 1]
