"""Slots of a schedule counted in buckets of time, at a cost that does not grow with their number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.core.codec import from_ms, to_ms
from infinitas.core.cron.counting import changes_of, count_slots
from infinitas.core.schedule import Schedule

_MS = timedelta(milliseconds=1)
BUCKETS_S = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
"""Lengths that a timeline falls back to."""


@dataclass(slots=True)
class Budget:
    """How many more buckets one request may compute."""

    left: int

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


def count_in(schedule: Schedule, start: datetime, end: datetime) -> int:
    """How many slots of a schedule are in `[start, end)`; the aware times are whole milliseconds."""
    first, last = _clipped(schedule, start, end)
    if last <= first:
        return 0
    if schedule.every_ms is not None:
        return _index(schedule.every_ms, schedule.anchor_ms, last) - _index(
            schedule.every_ms, schedule.anchor_ms, first
        )
    if schedule.cron is not None:
        cron = schedule.parsed(schedule.cron)
        low, high = from_ms(first), from_ms(last)
        return count_slots(cron, low, high, changes_of(cron, low, high))
    return int(schedule.at_ms is not None and first <= schedule.at_ms < last)


def count_in_buckets(
    schedule: Schedule, start: datetime, end: datetime, bucket_s: int, budget: Budget
) -> Iterator[tuple[datetime, int]]:
    """Buckets with slots in `[start, end)`, in order, each with their number.

    A bucket begins at a multiple of `bucket_s` seconds since 1970. It ends early when the budget is used up.
    """
    size = bucket_s * 1000
    slot = schedule.next_after(start - _MS)
    while slot is not None and slot < end and budget.take():
        begins = to_ms(slot) // size * size
        following = from_ms(begins + size)
        yield from_ms(begins), count_in(schedule, slot, min(following, end))
        slot = schedule.next_after(following - _MS)


def bucket_for(wanted_s: int, totals: Iterable[int], span: timedelta, most: int) -> int:
    """The shortest bucket, from `wanted_s` on, with which at most about `most` buckets have something in them.

    Args:
        wanted_s: seconds.
        totals: how much there is of each kind in the span.
    """
    counted = list(totals)
    for bucket_s in (wanted_s, *(each for each in BUCKETS_S if each > wanted_s)):
        places = max(1, round(span / timedelta(seconds=bucket_s)))
        if sum(min(total, places) for total in counted) <= most:
            return bucket_s
    return BUCKETS_S[-1]


def _clipped(schedule: Schedule, start: datetime, end: datetime) -> tuple[int, int]:
    """The range in ms, within the schedule's own start and end."""
    first, last = to_ms(start), to_ms(end)
    if schedule.start_ms is not None:
        first = max(first, schedule.start_ms)
    if schedule.end_ms is not None:
        last = min(last, schedule.end_ms)
    return first, last


def _index(interval_ms: int, anchor_ms: int, ms: int) -> int:
    """How many slots, counted from the anchor, are before `ms`."""
    return -((anchor_ms - ms) // interval_ms)
