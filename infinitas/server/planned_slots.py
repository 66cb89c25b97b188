"""Counts of a schedule's slots, kept as long as neither its rule nor the range changes.

A page asks for the same lanes every few seconds, and counting takes longer than all else in them.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta

from infinitas.core.codec import EPOCH
from infinitas.core.schedule import Schedule
from infinitas.core.slot_counts import count_in_buckets, count_slots

MOST_KEPT = 300_000
"""Buckets, of all schedules together: then it begins anew."""


class PlannedSlots:
    """Slots in `[start, end)`: in all, and in buckets."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._kept: dict[Hashable, Sequence[tuple[int, int]]] = {}
        self._size = 0
        self._most = most

    def total(self, rule: Schedule, start: datetime, end: datetime) -> int:
        if start >= end:
            return 0
        return self._once((rule, start, end), lambda: [(0, count_slots(rule, start, end))])[0][1]

    def buckets(
        self, rule: Schedule, start: datetime, end: datetime, bucket_s: int
    ) -> Sequence[tuple[int, int]]:
        """Where each bucket with slots begins, in seconds since 1970, and how many it has, in order."""
        if start >= end:
            return ()
        key = (rule, start, end, bucket_s)
        return self._once(key, lambda: sorted(count_in_buckets(rule, start, end, bucket_s).items()))

    def _once(
        self, key: Hashable, count: Callable[[], Sequence[tuple[int, int]]]
    ) -> Sequence[tuple[int, int]]:
        found = self._kept.get(key)
        if found is None:
            if self._size > self._most:
                self._kept.clear()
                self._size = 0
            found = self._kept[key] = count()
            self._size += len(found) + 1
        return found


def round_down(moment: datetime, seconds: float) -> datetime:
    """To a multiple of seconds since 1970, so that what was counted for one request serves the next."""
    return moment - (moment - EPOCH) % timedelta(seconds=seconds)


def round_up(moment: datetime, seconds: float) -> datetime:
    return moment + (EPOCH - moment) % timedelta(seconds=seconds)
