"""Slots of a schedule counted in buckets of time, at a cost that does not grow with their number."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from infinitas.core.codec import to_ms
from infinitas.core.cron import counting
from infinitas.core.schedule import Schedule

BUCKETS_S = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
"""Lengths that a timeline falls back to."""


def count_slots(schedule: Schedule, start: datetime, end: datetime) -> int:
    """How many slots of a schedule are in `[start, end)`."""
    first, last = _range(schedule, start, end)
    if last <= first:
        return 0
    if schedule.every_ms is not None:
        return _before(schedule, last) - _before(schedule, first)
    if schedule.cron is not None:
        return counting.count_slots(schedule.parsed(schedule.cron), _seconds(first), _seconds(last))
    return 1 if schedule.at_ms is not None and first <= schedule.at_ms < last else 0


def count_in_buckets(schedule: Schedule, start: datetime, end: datetime, bucket_s: int) -> Mapping[int, int]:
    """How many slots are in each part of `[start, end)` that has some.

    Returns the numbers by where a part begins: at a multiple of `bucket_s` seconds since 1970.
    """
    first, last = _range(schedule, start, end)
    if last <= first:
        return {}
    if schedule.every_ms is not None:
        return _count_interval(schedule, first, last, bucket_s * 1000)
    if schedule.cron is not None:
        cron = schedule.parsed(schedule.cron)
        return counting.count_in_buckets(cron, _seconds(first), _seconds(last), bucket_s)
    at = schedule.at_ms
    return {at // 1000 // bucket_s * bucket_s: 1} if at is not None and first <= at < last else {}


def bucket_for(wanted_s: int, totals: Iterable[int], span: timedelta, most: int) -> int:
    """The shortest bucket, from `wanted_s` on, with which at most `most` buckets have something in them.

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


def _count_interval(schedule: Schedule, first: int, last: int, size: int) -> Counter[int]:
    """Slot by slot, or bucket by bucket where those are fewer."""
    interval, anchor = schedule.every_ms or 1, schedule.anchor_ms
    found: Counter[int] = Counter()
    if interval >= size:
        for slot in range(anchor + _before(schedule, first) * interval, last, interval):
            found[slot // size * size // 1000] += 1
        return found
    before = _before(schedule, first)
    for begins in range(first // size * size, last, size):
        after = _before(schedule, min(begins + size, last))
        if after > before:
            found[begins // 1000] = after - before
        before = after
    return found


def _before(schedule: Schedule, ms: int) -> int:
    """How many slots of an interval, counted from its anchor, are before `ms`; below 0 before the anchor."""
    return -((schedule.anchor_ms - ms) // (schedule.every_ms or 1))


def _range(schedule: Schedule, start: datetime, end: datetime) -> tuple[int, int]:
    """The range in ms, within the schedule's own start and end."""
    first, last = to_ms(start), to_ms(end)
    if schedule.start_ms is not None:
        first = max(first, schedule.start_ms)
    if schedule.end_ms is not None:
        last = min(last, schedule.end_ms)
    return first, last


def _seconds(ms: int) -> int:
    """The first whole second that is not before."""
    return -(-ms // 1000)
