"""Counts the slots of a cron rule in a range without visiting each: by days, hours, minutes and seconds.

Between two clock changes wall clock and UTC advance together, so counting wall-clock times is exact. Only what a
change hides or repeats is visited slot by slot, for rules whose times are fixed (`Cron`).
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infinitas.core.cron.calendar import matching_days
from infinitas.core.cron.expression import Cron, clock_changes
from infinitas.core.cron.parser import Fields

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_NO_TIME = timedelta()


@dataclass(frozen=True, slots=True)
class ClockChange:
    """At `at` the wall clock jumps by `shift`: above 0 a gap, below 0 a repetition."""

    at: datetime
    shift: timedelta


def changes_of(cron: Cron, start: datetime, end: datetime) -> tuple[ClockChange, ...]:
    """The clock changes of a rule's zone that matter to slots in `[start, end)`."""
    found = []
    for at in clock_changes(cron.zone, start - _DAY, end):
        found.append(ClockChange(at, _offset(cron, at) - _offset(cron, at - _SECOND)))
    return tuple(found)


def count_slots(cron: Cron, start: datetime, end: datetime, changes: Sequence[ClockChange]) -> int:
    """How many slots are in `[start, end)`, whose zone has these changes there."""
    total = 0
    for first, last, shifted in _stretches(start, end, changes):
        if shifted and not cron.follows_the_clock:
            total += _visit(cron, first, last)
        else:
            offset = _offset(cron, first)
            total += count_matches(cron.fields, _naive(first + offset), _naive(last + offset))
    return total


def count_matches(fields: Fields, start: datetime, end: datetime) -> int:
    """How many matching wall-clock times are in `[start, end)`, both naive."""
    if end <= start:
        return 0
    first, last = _whole(start), _whole(end)
    if first.date() == last.date():
        return _rank(fields, last) - _rank(fields, first) if _is_day(fields, first) else 0
    total = _per_day(fields) - _rank(fields, first) if _is_day(fields, first) else 0
    total += _rank(fields, last) if _is_day(fields, last) else 0
    return total + _per_day(fields) * _days_between(fields, first, last)


def _stretches(
    start: datetime, end: datetime, changes: Sequence[ClockChange]
) -> Iterator[tuple[datetime, datetime, bool]]:
    """The parts of a range, each of one offset, and whether a change hides or repeats times in it."""
    at = start
    for change in changes:
        after = change.at + abs(change.shift) + _SECOND
        if at < change.at:
            yield at, min(change.at, end), False
        if change.at < end and at < after:
            yield max(at, change.at), min(after, end), True
        at = max(at, after)
        if at >= end:
            return
    yield at, end, False


def _visit(cron: Cron, start: datetime, end: datetime) -> int:
    total, slot = 0, cron.next_after(start - timedelta(milliseconds=1))
    while slot is not None and slot < end:
        total += 1
        slot = cron.next_after(slot)
    return total


def _days_between(fields: Fields, start: datetime, end: datetime) -> int:
    """How many days match after the day of `start` and before that of `end`."""
    total, year, month = 0, start.year, start.month
    while (year, month) <= (end.year, end.month):
        if month in fields.months:
            days = matching_days(fields.days, year, month)
            low = bisect_left(days, start.day + 1) if (year, month) == (start.year, start.month) else 0
            high = bisect_left(days, end.day) if (year, month) == (end.year, end.month) else len(days)
            total += max(high - low, 0)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return total


def _is_day(fields: Fields, wall: datetime) -> bool:
    return wall.month in fields.months and wall.day in matching_days(fields.days, wall.year, wall.month)


def _per_day(fields: Fields) -> int:
    return len(fields.hours) * len(fields.minutes) * len(fields.seconds)


def _rank(fields: Fields, wall: datetime) -> int:
    """How many times of a matching day are before this one."""
    hours, minutes, seconds = fields.hours, fields.minutes, fields.seconds
    h = bisect_left(hours, wall.hour)
    rank = h * len(minutes) * len(seconds)
    if h == len(hours) or hours[h] != wall.hour:
        return rank
    m = bisect_left(minutes, wall.minute)
    rank += m * len(seconds)
    if m == len(minutes) or minutes[m] != wall.minute:
        return rank
    return rank + bisect_left(seconds, wall.second)


def _whole(wall: datetime) -> datetime:
    """The first whole second that is not before."""
    return wall if not wall.microsecond else wall.replace(microsecond=0) + _SECOND


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _offset(cron: Cron, moment: datetime) -> timedelta:
    return moment.astimezone(cron.zone).utcoffset() or _NO_TIME
