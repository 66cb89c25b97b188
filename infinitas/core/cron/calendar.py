"""Finds the next wall-clock time of a cron expression, without time zones."""

import calendar
from bisect import bisect_left
from datetime import datetime, timedelta
from functools import lru_cache

from infinitas.core.cron.parser import Days, Fields

YEARS_AHEAD = 12
"""How far to search: 29 February may be eight years away (2096 to 2104)."""
_SECOND = timedelta(seconds=1)


def next_match(fields: Fields, after: datetime) -> datetime | None:
    """The first matching time later than the naive `after`, or None within twelve years."""
    try:
        start = after.replace(microsecond=0) + _SECOND
    except OverflowError:
        return None
    clock: tuple[int, int, int] | None = (start.hour, start.minute, start.second)
    year, month, day = start.year, start.month, start.day
    for _ in range(YEARS_AHEAD * 12 + 1):
        if month in fields.months:
            for candidate in matching_days(fields.days, year, month):
                if candidate < day:
                    continue
                time = _first_time(fields, *(clock if clock and candidate == day else (0, 0, 0)))
                if time is not None:
                    return datetime(year, month, candidate, *time)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        day, clock = 1, None
        if year > 9999:
            return None
    return None


def matches(fields: Fields, wall: datetime) -> bool:
    """Whether the naive `wall`, to the second, is a matching time."""
    return (
        wall.month in fields.months
        and wall.hour in fields.hours
        and wall.minute in fields.minutes
        and wall.second in fields.seconds
        and wall.day in matching_days(fields.days, wall.year, wall.month)
    )


@lru_cache(maxsize=8192)
def matching_days(days: Days, year: int, month: int) -> tuple[int, ...]:
    """Days of one month, in order."""
    first_weekday, length = calendar.monthrange(year, month)

    def weekday(day: int) -> int:
        return (first_weekday + day) % 7

    everyday = range(1, length + 1)
    by_number = {day for day in everyday if day in days.numbers or length - day in days.back}
    by_number |= {_nearest_workday(day, length, weekday(day)) for day in days.nearest if day <= length}
    if days.last_workday:
        by_number.add(max(day for day in everyday if weekday(day) not in (0, 6)))
    by_weekday = {
        day
        for day in everyday
        if weekday(day) in days.weekdays
        or (weekday(day), (day + 6) // 7) in days.nth
        or (weekday(day) in days.last and day + 7 > length)
    }
    return tuple(sorted(by_number | by_weekday if days.either else by_number & by_weekday))


def _nearest_workday(day: int, length: int, weekday: int) -> int:
    """Quartz' rule: Saturday becomes Friday and Sunday Monday, within the same month."""
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


def _first_time(fields: Fields, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
    """The first matching time of a day, not before the given one."""
    hours, minutes, seconds = fields.hours, fields.minutes, fields.seconds
    h = bisect_left(hours, hour)
    if h == len(hours):
        return None
    if hours[h] > hour:
        return hours[h], minutes[0], seconds[0]
    m = bisect_left(minutes, minute)
    if m < len(minutes):
        if minutes[m] > minute:
            return hour, minutes[m], seconds[0]
        s = bisect_left(seconds, second)
        if s < len(seconds):
            return hour, minute, seconds[s]
        if m + 1 < len(minutes):
            return hour, minutes[m + 1], seconds[0]
    if h + 1 < len(hours):
        return hours[h + 1], minutes[0], seconds[0]
    return None
