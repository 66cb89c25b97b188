"""Counts the slots of a cron rule in stretches of time without computing each.

Between two clock changes wall clock and UTC advance together, so that counting wall-clock times is exact.
Of a rule whose times are fixed (`Cron`), what a change repeats is left out, and what it hides is one slot
after it. All times are seconds since 1970.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from infinitas.core.cron.calendar import matching_days, next_match
from infinitas.core.cron.expression import Cron, clock_changes
from infinitas.core.cron.parser import Days, Fields

DAY_S = 86_400
_MOST_LISTED = 2_000
_EPOCH = date(1970, 1, 1).toordinal()
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """At `at` the wall clock jumps by `shift` seconds: above 0 it hides times, below 0 it repeats them."""

    at: int
    shift: int


def count_slots(cron: Cron, start: int, end: int) -> int:
    """How many slots are in `[start, end)`."""
    total = len(_moved(cron, start, end))
    for first, last in _stretches(cron, start, end):
        days = _days(cron.fields, first, last, _offset(cron.zone, _moment(first)))
        total += sum(_rank(cron.fields, high) - _rank(cron.fields, low) for _, low, high in days)
    return total


def count_in_buckets(cron: Cron, start: int, end: int, size: int) -> Counter[int]:
    """How many slots are in each bucket of `size` seconds, by its beginning, a multiple of `size`."""
    found = Counter(at // size * size for at in _moved(cron, start, end))
    for first, last in _stretches(cron, start, end):
        for midnight, low, high in _days(cron.fields, first, last, _offset(cron.zone, _moment(first))):
            _count_day(found, cron.fields, midnight, low, high, size)
    return found


def changes_of(zone: ZoneInfo, start: int, end: int) -> Sequence[ClockChange]:
    """The clock changes of a zone that matter to `[start, end)`: also those of the day before."""
    return _changes(zone, start // DAY_S - 1, -(-end // DAY_S))


@lru_cache(maxsize=1024)
def _changes(zone: ZoneInfo, first_day: int, last_day: int) -> tuple[ClockChange, ...]:
    changes = clock_changes(zone, _moment(first_day * DAY_S), _moment(last_day * DAY_S))
    return tuple(
        ClockChange(round(at.timestamp()), _offset(zone, at) - _offset(zone, at - _SECOND)) for at in changes
    )


def _stretches(cron: Cron, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a range, each of one offset, less what a change repeats for a rule of fixed times."""
    at = start
    for change in changes_of(cron.zone, start, end):
        if at < min(change.at, end):
            yield at, min(change.at, end)
        repeated = max(-change.shift, 0) if not cron.follows_the_clock else 0
        at = max(at, change.at + repeated)
    if at < end:
        yield at, end


def _moved(cron: Cron, start: int, end: int) -> list[int]:
    """The changes in a range that are slots because of what they hide, and not by the rule itself."""
    found = []
    for change in changes_of(cron.zone, start, end):
        if not start <= change.at < end or change.shift <= 0:
            continue
        after = _offset(cron.zone, _moment(change.at))
        hidden = _first_match(cron.fields, change.at - change.shift + after, change.at + after)
        is_slot = _first_match(cron.fields, change.at + after, change.at + after + 1) is not None
        if hidden is not None and not is_slot and cron.moves_out_of(_moment(hidden).replace(tzinfo=None)):
            found.append(change.at)
    return found


def _first_match(fields: Fields, start: int, end: int) -> int | None:
    """The first matching time of a range of the wall clock."""
    wall = next_match(fields, (_moment(start) - _SECOND).replace(tzinfo=None))
    at = None if wall is None else round(wall.replace(tzinfo=UTC).timestamp())
    return at if at is not None and at < end else None


def _days(fields: Fields, start: int, end: int, offset: int) -> Iterator[tuple[int, int, int]]:
    """The matching days of a stretch of one offset: the moment of midnight, and the part of the day."""
    first, last = start + offset, end + offset
    for day in range(first // DAY_S, -(-last // DAY_S)):
        if _is_day(fields, day):
            midnight = day * DAY_S
            yield midnight - offset, max(first - midnight, 0), min(last - midnight, DAY_S)


def _count_day(found: Counter[int], fields: Fields, midnight: int, low: int, high: int, size: int) -> None:
    """Count a day from `low` to `high` seconds: time by time, or bucket by bucket where those are fewer."""
    if _per_day(fields) <= min(DAY_S // size, _MOST_LISTED):
        times = _times(fields)
        for time in times[bisect_left(times, low) : bisect_left(times, high)]:
            found[(midnight + time) // size * size] += 1
        return
    at, before = low, _rank(fields, low)
    while at < high:
        begins = (midnight + at) // size * size
        at = min(begins + size - midnight, high)
        after = _rank(fields, at)
        if after > before:
            found[begins] += after - before
        before = after


def _is_day(fields: Fields, day: int) -> bool:
    year, month, number = _date(day)
    return month in fields.months and number in _matching(fields.days, year, month)


@lru_cache(maxsize=4096)
def _date(day: int) -> tuple[int, int, int]:
    found = date.fromordinal(_EPOCH + day)
    return found.year, found.month, found.day


@lru_cache(maxsize=8192)
def _matching(days: Days, year: int, month: int) -> frozenset[int]:
    return frozenset(matching_days(days, year, month))


@lru_cache(maxsize=256)
def _times(fields: Fields) -> tuple[int, ...]:
    return tuple(h * 3600 + m * 60 + s for h in fields.hours for m in fields.minutes for s in fields.seconds)


def _per_day(fields: Fields) -> int:
    return len(fields.hours) * len(fields.minutes) * len(fields.seconds)


def _rank(fields: Fields, time: int) -> int:
    """How many times of a matching day are before this second of the day."""
    hours, minutes, seconds = fields.hours, fields.minutes, fields.seconds
    hour, rest = divmod(time, 3600)
    h = bisect_left(hours, hour)
    rank = h * len(minutes) * len(seconds)
    if h == len(hours) or hours[h] != hour:
        return rank
    minute, second = divmod(rest, 60)
    m = bisect_left(minutes, minute)
    rank += m * len(seconds)
    if m == len(minutes) or minutes[m] != minute:
        return rank
    return rank + bisect_left(seconds, second)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    return round((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds())
