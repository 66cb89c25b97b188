"""Counts of a schedule's slots, kept as long as neither its rule nor the range changes.

A page asks for the same lanes every few seconds, and counting takes longer than all else in them.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import orjson

from infinitas.core.codec import EPOCH
from infinitas.core.schedule import Schedule
from infinitas.core.slot_counts import count_in_buckets, count_slots

MOST_KEPT = 32 * 1024 * 1024
"""Bytes, of all schedules together: then it begins anew."""
_OF_AN_ENTRY = 500
"""Bytes beside the JSON."""
Kept = TypeVar("Kept", int, bytes)


class PlannedSlots:
    """Slots in `[start, end)`: in all, and as the JSON of a lane."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._kept: dict[Hashable, int | bytes] = {}
        self._size = 0
        self._most = most

    def total(self, rule: Schedule, start: datetime, end: datetime) -> int:
        if start >= end:
            return 0
        return self._once((rule, start, end), lambda: count_slots(rule, start, end))

    def drawn(
        self, rule: Schedule, start: datetime, end: datetime, bucket_s: int, left: int | None = None
    ) -> bytes:
        """Buckets with slots in order, as JSON: each a `SlotCount`, with commas between them.

        Args:
            left: how many slots still become jobs; None: all.
        """
        if start >= end:
            return b""
        key = (rule, start, end, bucket_s, left)
        return self._once(key, lambda: _to_json(rule, _first_slots(_count(rule, start, end, bucket_s), left)))

    def _once(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        if (found := self._kept.get(key)) is not None:
            return cast(Kept, found)
        if self._size > self._most:
            self._kept.clear()
            self._size = 0
        made = self._kept[key] = make()
        self._size += _OF_AN_ENTRY + (len(made) if isinstance(made, bytes) else 0)
        return made


def _count(rule: Schedule, start: datetime, end: datetime, bucket_s: int) -> list[tuple[int, int]]:
    """Where each bucket with slots begins, in seconds since 1970, and how many it has, in order."""
    return sorted(count_in_buckets(rule, start, end, bucket_s).items())


def _first_slots(buckets: Iterable[tuple[int, int]], left: int | None) -> Iterator[tuple[int, int]]:
    for begins, count in buckets:
        if left is not None:
            count, left = min(count, left), max(left - count, 0)
        if count:
            yield begins, count


def _to_json(rule: Schedule, buckets: Iterable[tuple[int, int]]) -> bytes:
    shown = [
        {"start": datetime.fromtimestamp(begins, UTC), "schedule": rule.key, "count": count}
        for begins, count in buckets
    ]
    return orjson.dumps(shown, option=orjson.OPT_UTC_Z)[1:-1]


def round_down(moment: datetime, seconds: float) -> datetime:
    """To a multiple of seconds since 1970, so that what was counted for one request serves the next."""
    return moment - (moment - EPOCH) % timedelta(seconds=seconds)


def round_up(moment: datetime, seconds: float) -> datetime:
    return moment + (EPOCH - moment) % timedelta(seconds=seconds)
