"""Cron expressions: croniter parses and walks the naive calendar, the zone step is ours.

Day rule and daylight saving follow Debian cron (cron(8), crontab(5)): where the minute or the hour
field begins with `*`, every matching wall-clock time that really occurs is a slot, none in a gap
and both in a repeated hour. Any other expression is a fixed time: in a gap of less than three hours
it is moved to the first instant after the gap; repeated, only the first occurrence is a slot.
Six fields put the seconds first, as Quartz and Spring do.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import croniter

from infinitas.core.errors import BadSchedule

MAX_LENGTH = 256
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_YEARS_AHEAD = 12
_SECOND = timedelta(seconds=1)
_PROBE = timedelta(hours=6)
_LONGEST_MOVED_GAP = timedelta(hours=3)
_EQUAL_RANGE = re.compile(r"(?<![\w-])(\w+)-\1(?![\w-])", re.IGNORECASE)


class Cron:
    """A checked expression in a time zone. `next_after` is its only question."""

    __slots__ = ("_fields", "_repeats", "expression", "zone")

    def __init__(self, expression: str, timezone: str) -> None:
        self.expression = expression
        self.zone = load_zone(timezone)
        self._fields = _normalise(expression)
        clock_fields = self._fields[-5:-3]
        self._repeats = any(field.startswith("*") for field in clock_fields)
        self._walk(datetime(2024, 1, 1)).__next__()

    def next_after(self, moment: datetime) -> datetime | None:
        """The first slot after the aware `moment`, in UTC; None if the calendar has no more."""
        after = moment.astimezone(UTC)
        return self._next_real(after) if self._repeats else self._next_fixed(after)

    def _walk(self, base: datetime) -> Iterator[datetime]:
        """Naive matching times after `base`; ends where the calendar does."""
        try:
            walker = croniter(
                " ".join(self._fields),
                base,
                ret_type=datetime,
                implement_cron_bug=True,
                second_at_beginning=len(self._fields) == 6,
                max_years_between_matches=_YEARS_AHEAD,
            )
            yield walker.get_next(datetime)
        except ValueError as error:
            raise BadSchedule(f"The cron expression {self.expression[:80]!r} is refused: {error}.") from None
        try:
            while True:
                yield walker.get_next(datetime)
        except ValueError:
            return

    def _next_fixed(self, after: datetime) -> datetime | None:
        for wall in self._walk(_wall(after, self.zone)):
            slot = self._instant(wall)
            if slot is not None and slot > after:
                return slot
        return None

    def _instant(self, wall: datetime) -> datetime | None:
        """When the clocks show `wall`: its first occurrence, or the end of the gap that hides it."""
        before = wall.replace(tzinfo=self.zone)
        instant = before.astimezone(UTC)
        if _wall(instant, self.zone) == wall:
            return instant
        shift = (wall.replace(tzinfo=self.zone, fold=1).utcoffset() or timedelta()) - (
            before.utcoffset() or timedelta()
        )
        if abs(shift) >= _LONGEST_MOVED_GAP:
            return None
        return _first_change(instant - abs(shift) - _SECOND, instant + abs(shift), self.zone)

    def _next_real(self, after: datetime) -> datetime | None:
        """Walk stretches of constant offset: within one, wall clock and UTC advance together."""
        start = after
        while True:
            offset = _offset(start, self.zone)
            wall = next(self._walk((start + offset).replace(tzinfo=None)), None)
            if wall is None:
                return None
            slot = (wall - offset).replace(tzinfo=UTC)
            change = _first_change(start, slot, self.zone)
            if change is None:
                return slot
            if change == slot and _wall(change, self.zone) == wall:
                return slot
            # The walk excludes its base, and a slot may lie exactly on the change.
            if self._matches(_wall(change, self.zone)):
                return change
            start = change

    def _matches(self, wall: datetime) -> bool:
        return next(self._walk(wall - _SECOND), None) == wall


@lru_cache(maxsize=4096)
def parse_cron(expression: str, timezone: str) -> Cron:
    """Check an expression and its zone.

    Raises:
        BadSchedule: the text is no cron expression we support, can never come true, or the time
            zone is unknown.
    """
    return Cron(expression, timezone)


def load_zone(timezone: str) -> ZoneInfo:
    """The zone of an IANA name. Raises BadSchedule if there is none."""
    try:
        return ZoneInfo(timezone)
    except (ValueError, OSError, KeyError, TypeError):
        raise BadSchedule(
            f"The time zone {str(timezone)[:60]!r} is unknown; use an IANA name "
            "such as 'Europe/Copenhagen' or 'UTC'."
        ) from None


def _normalise(expression: str) -> list[str]:
    """Fields as croniter should see them; refuses what it would get wrong (docs/schedules.md)."""
    if not isinstance(expression, str) or len(expression) > MAX_LENGTH:
        raise BadSchedule(f"A cron expression is text of at most {MAX_LENGTH} characters.")
    text = expression.strip()
    if not text.isascii() or not text.isprintable():
        raise BadSchedule(f"The cron expression {text[:80]!r} has characters that cron doesn't know.")
    if text.startswith("@"):
        if text.lower() not in NICKNAMES:
            allowed = ", ".join(sorted(NICKNAMES))
            raise BadSchedule(f"{text[:80]!r} is not a known nickname; allowed: {allowed}.")
        text = NICKNAMES[text.lower()]
    fields = text.split()
    if len(fields) not in (5, 6):
        raise BadSchedule(
            f"The cron expression {text[:80]!r} has {len(fields)} fields; allowed: five "
            "(minute hour day month weekday) or six (seconds first)."
        )
    fields = [_EQUAL_RANGE.sub(r"\1", field) for field in fields]
    _refuse_unsupported(text, fields)
    return fields


def _refuse_unsupported(text: str, fields: list[str]) -> None:
    for field in fields:
        if re.search(r"(?<![a-z])[rh](?![a-z])", field, re.IGNORECASE):
            raise BadSchedule(f"{field[:40]!r} in {text[:80]!r}: R and H are not supported.")
        for first, last in re.findall(r"(\d+)-(\d+)/", field):
            if int(first[:9]) > int(last[:9]):
                raise BadSchedule(f"{field[:40]!r} in {text[:80]!r}: a wrapping range can't have a step.")
        for step in re.findall(r"/(\d+)", field):
            if int(step[:9]) > 59:
                raise BadSchedule(f"{field[:40]!r} in {text[:80]!r}: a step is at most 59.")
    day, _, weekday = fields[-3:]
    special = "#" in weekday or "w" in day.lower() or re.search(r"l\d", weekday, re.IGNORECASE)
    if special and not (day.startswith(("*", "?")) or weekday.startswith(("*", "?"))):
        raise BadSchedule(f"{text[:80]!r}: W, # and L<weekday> need the other day field to be *.")


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _first_change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """The first instant in (start, end] with another UTC offset than `start`, to the second."""
    offset = _offset(start, zone)
    low, high = start, start
    while high < end:
        low, high = high, min(high + _PROBE, end)
        if _offset(high, zone) != offset:
            break
    else:
        return None
    low = low.replace(microsecond=0)
    high = high.replace(microsecond=0) + (_SECOND if high.microsecond else timedelta())
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if _offset(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high
