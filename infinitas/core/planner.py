"""What becomes of a due slot: a job, or a recorded non-run. Pure; the ticker carries it out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.core.codec import slot_job_id
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason

GRACE = timedelta(seconds=5)
"""A slot this late still runs; an older one is caught up (`latest`: only the newest of them runs)."""
MAX_CHAIN = 500
"""Slots of one schedule planned in one pass, so that a long outage can't starve the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """One slot to fire, if it is still the expected one. `missed` says why it gets no job."""

    schedule: str
    task: str
    slot: datetime
    next_slot: datetime | None
    job: str
    args: str
    missed: Reason | None = None


def plan(schedule: Schedule, slot: datetime, now: datetime) -> Iterator[Fire]:
    """Fires for `slot` and the slots after it that are due by `now`, oldest first."""
    for _ in range(MAX_CHAIN):
        following = schedule.next_after(slot)
        superseded = following is not None and following <= now
        too_late = superseded and now - slot > GRACE
        yield Fire(
            schedule=schedule.key,
            task=schedule.task,
            slot=slot,
            next_slot=following,
            job=slot_job_id(schedule.key, slot),
            args=schedule.args,
            missed=Reason.CATCH_UP if too_late else None,
        )
        if following is None or following > now:
            return
        slot = following
