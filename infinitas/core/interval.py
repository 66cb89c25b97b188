"""Intervals, `every(hours=12)`: anchored, so that restarts and deploys don't shift them."""

import re
from dataclasses import dataclass
from datetime import timedelta

from infinitas.core.errors import BadSchedule

MIN_INTERVAL_MS = 10
MAX_INTERVAL_MS = 366 * 10 * 86_400_000


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed interval in whole milliseconds."""

    ms: int

    def __str__(self) -> str:
        return f"every {describe_ms(self.ms)}"


def every(
    *,
    weeks: float = 0,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    milliseconds: float = 0,
) -> Every:
    """An interval for `schedule=`. The first slot is one interval after it was first declared.

    Raises:
        BadSchedule: it is shorter than 10 ms or longer than ten years, or not a number.
    """
    try:
        span = timedelta(
            weeks=weeks,
            days=days,
            hours=hours,
            minutes=minutes,
            seconds=seconds,
            milliseconds=milliseconds,
        )
        ms = round(span / timedelta(milliseconds=1))
    except (ValueError, OverflowError, TypeError) as error:
        raise BadSchedule(f"An interval needs numbers: {error}.") from None
    if not MIN_INTERVAL_MS <= ms <= MAX_INTERVAL_MS:
        raise BadSchedule(f"An interval of {ms:,} ms is refused; allowed: 10 ms to ten years.")
    return Every(ms)


Rule = str | Every | timedelta
"""Cron text, `every(...)`, the text `every 5m`, or a timedelta."""


def read_rule(rule: Rule | None) -> str | Every | None:
    """The rule as cron text or as an interval. Raises BadSchedule."""
    if isinstance(rule, timedelta):
        return every(milliseconds=rule / timedelta(milliseconds=1))
    if isinstance(rule, str) and rule.strip().lower().startswith("every "):
        return parse_every(rule.strip()[len("every ") :])
    return rule


_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|w)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_every(text: str) -> Every:
    """`"5m"`, `"1h30m"`, `"250ms"` as an interval. Raises BadSchedule."""
    parts = _DURATION.findall(text.replace(" ", ""))
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise BadSchedule(f"{text[:40]!r} is no duration; write 30s, 5m, 1h30m, 2d or 250ms.")
    spans: dict[str, float] = {}
    for number, unit in parts:
        spans[_UNITS[unit]] = spans.get(_UNITS[unit], 0) + float(number)
    return every(**spans)


def next_interval_slot(interval_ms: int, anchor_ms: int, after_ms: int) -> int:
    """The first slot, `anchor + n * interval`, that is later than `after_ms`.

    An anchor in the future, from a clock that was ahead, delays no slot: n may be below 1.
    """
    return anchor_ms + ((after_ms - anchor_ms) // interval_ms + 1) * interval_ms


def describe_ms(ms: int) -> str:
    """A duration in at most two units: `1h 30m`, `450ms`."""
    parts: list[str] = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0ms"
