"""Describes a cron expression in English: `at 02:30, on Monday to Friday, in July`."""

from collections.abc import Sequence
from itertools import pairwise

from infinitas.core.cron.parser import Days, Fields

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
_NTH = ("first", "second", "third", "fourth", "fifth")
_MOST_TIMES = 6


def describe_cron(fields: Fields) -> str:
    """The description, without the time zone."""
    parts = [_times(fields), _days(fields.days)]
    if len(fields.months) < 12:
        parts.append(f"in {_and([_MONTHS[month - 1] for month in sorted(fields.months)])}")
    return ", ".join(part for part in parts if part)


def _times(fields: Fields) -> str:
    seconds, minutes, hours = fields.seconds, fields.minutes, fields.hours
    if len(seconds) == 1 and len(minutes) * len(hours) <= _MOST_TIMES:
        end = "" if seconds == (0,) else f":{seconds[0]:02d}"
        return "at " + _and([f"{hour:02d}:{minute:02d}{end}" for hour in hours for minute in minutes])
    parts = []
    if seconds != (0,):
        parts.append(_unit("second", seconds, 60))
    if not (len(minutes) == 60 and len(seconds) > 1):
        parts.append(_unit("minute", minutes, 60))
    if len(hours) < 24:
        step = _step(hours, 24)
        parts.append(f"every {step} hours" if step else _hours(hours))
    elif len(minutes) < 60 and not _step(minutes, 60):
        parts.append("every hour")
    return ", ".join(parts)


def _hours(hours: Sequence[int]) -> str:
    return f"in the hour {hours[0]}" if len(hours) == 1 else f"in the hours {_ranges(hours)}"


def _unit(name: str, values: Sequence[int], size: int) -> str:
    if len(values) == size:
        return f"every {name}"
    if step := _step(values, size):
        start = f", from {name} {values[0]}" if values[0] else ""
        return f"every {step} {name}s{start}"
    return f"at {name} {values[0]}" if len(values) == 1 else f"at {name}s {_ranges(values)}"


def _step(values: Sequence[int], size: int) -> int | None:
    """The step, if the values divide their whole cycle evenly."""
    if len(values) < 2 or size % len(values):
        return None
    step = size // len(values)
    return step if all(b - a == step for a, b in pairwise(values)) else None


def _days(days: Days) -> str:
    by_number, by_weekday = _by_number(days), _by_weekday(days)
    if by_number and by_weekday:
        return f"{by_number}, or {by_weekday}" if days.either else f"{by_number}, if also {by_weekday}"
    return by_number or by_weekday or "every day"


def _by_number(days: Days) -> str:
    if len(days.numbers) == 31:
        return ""
    parts = []
    if days.numbers:
        numbers = sorted(days.numbers)
        step = numbers[1] - numbers[0] if len(numbers) > 2 else 0
        if step > 1 and numbers == list(range(numbers[0], 32, step)):
            parts.append(f"on every {step}. day of the month from the {numbers[0]}.")
        else:
            parts.append(f"on day{'s'[: len(numbers) - 1]} {_ranges(numbers)} of the month")
    parts += [f"on the working day nearest to day {day}" for day in sorted(days.nearest)]
    parts += [
        "on the last day of the month" if back == 0 else f"on the day {back} before the month's last"
        for back in sorted(days.back)
    ]
    if days.last_workday:
        parts.append("on the month's last working day")
    return _and(parts)


def _by_weekday(days: Days) -> str:
    if len(days.weekdays) == 7:
        return ""
    parts = []
    if days.weekdays:
        # The week begins on Monday, so that Saturday and Sunday are neighbours.
        ordered = sorted(days.weekdays, key=lambda day: (day - 1) % 7)
        runs = _runs([(day - 1) % 7 for day in ordered])
        names = [
            _WEEKDAYS[(a + 1) % 7] + ("" if a == b else f" to {_WEEKDAYS[(b + 1) % 7]}") for a, b in runs
        ]
        parts.append(f"on {_and(names)}")
    parts += [f"on the {_NTH[nth - 1]} {_WEEKDAYS[weekday]}" for weekday, nth in sorted(days.nth)]
    parts += [f"on the last {_WEEKDAYS[weekday]} of the month" for weekday in sorted(days.last)]
    return _and(parts)


def _ranges(values: Sequence[int]) -> str:
    return _and([str(a) if a == b else f"{a} to {b}" for a, b in _runs(values)])


def _runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """Combine three or more neighbours into one range."""
    found: list[list[int]] = []
    for value in values:
        if found and value == found[-1][-1] + 1:
            found[-1].append(value)
        else:
            found.append([value])
    return [
        pair
        for run in found
        for pair in ([(run[0], run[-1])] if len(run) > 2 else [(value, value) for value in run])
    ]


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""
