"""Cron in a time zone: turns wall-clock times into instants, daylight saving included.

The default is Debian cron's rule (cron(8), crontab(5)). If the minute or the hour field begins with `*`,
every matching wall-clock time that occurs is a slot: none in a gap, both in a repeated hour. Any other
expression is a fixed time: in a gap of less than three hours it moves to the first instant after the gap;
of a repeated time only the first occurrence is a slot.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from infinitas.core.cron.calendar import matches, next_match
from infinitas.core.cron.parser import Fields, parse_fields
from infinitas.core.errors import BadSchedule

_SECOND = timedelta(seconds=1)
_PROBE = timedelta(hours=6)
_LONGEST_MOVED_GAP = timedelta(hours=3)
_OF_ONE_MACHINE = re.compile(r"localtime$|posixrules$|Factory$|posix/|right/")
"""Files beside the zones, which another machine lacks or uses for another zone; `right/` has leap seconds."""
_CACHED_SLOTS = 1 << 16


class Dst(StrEnum):
    """What happens to times that a clock change hides or repeats."""

    CRON = "cron"
    """Debian cron's rule: fixed times move out of a gap and run once; `*` follows the clock."""
    SKIP = "skip"
    """Hidden times don't run; repeated times run the first time only."""
    LITERAL = "literal"
    """Times run whenever the clock shows them: none in a gap, both in a repeated hour."""


class Cron:
    """A checked expression in a time zone."""

    __slots__ = ("_dst", "fields", "zone")

    def __init__(self, fields: Fields, zone: ZoneInfo, dst: Dst) -> None:
        self.fields = fields
        self.zone = zone
        self._dst = dst

    def next_after(self, moment: datetime) -> datetime | None:
        """The first slot after the aware `moment`, in UTC; None within twelve years."""
        after = moment.astimezone(UTC)
        try:
            return self._next_real(after) if self.follows_the_clock else self._next_fixed(after)
        except OverflowError:
            return None  # beyond the calendar's end, 31 December 9999

    def moves_out_of(self, wall: datetime) -> bool:
        """Whether a naive time that a gap hides runs after the gap."""
        return not self.follows_the_clock and self._instant(wall) is not None

    @property
    def follows_the_clock(self) -> bool:
        return self.fields.repeats if self._dst is Dst.CRON else self._dst is Dst.LITERAL

    def _next_fixed(self, after: datetime) -> datetime | None:
        wall: datetime | None = _wall(after, self.zone)
        while wall is not None:
            wall = next_match(self.fields, wall)
            slot = wall and self._instant(wall)
            if slot is not None and slot > after:
                return slot
        return None

    def _instant(self, wall: datetime) -> datetime | None:
        """The first instant at which clocks show `wall`, or the end of the gap that hides it."""
        before = wall.replace(tzinfo=self.zone)
        instant = before.astimezone(UTC)
        if _wall(instant, self.zone) == wall:
            return instant
        if self._dst is Dst.SKIP:
            return None
        shift = (wall.replace(tzinfo=self.zone, fold=1).utcoffset() or timedelta()) - (
            before.utcoffset() or timedelta()
        )
        if abs(shift) >= _LONGEST_MOVED_GAP:
            return None
        return _first_change(instant - abs(shift) - _SECOND, instant + abs(shift), self.zone)

    def _next_real(self, after: datetime) -> datetime | None:
        """Search stretches of constant offset: within one, wall clock and UTC advance together."""
        start = after
        while True:
            offset = _offset(start, self.zone)
            wall = next_match(self.fields, (start + offset).replace(tzinfo=None))
            if wall is None:
                return None
            slot = (wall - offset).replace(tzinfo=UTC)
            change = _first_change(start, slot, self.zone)
            if change is None:
                return slot
            # `next_match` excludes its start, and a slot may be exactly at the change.
            if matches(self.fields, _wall(change, self.zone)):
                return change
            start = change


@lru_cache(maxsize=8192)
def parse_cron(expression: str, timezone: str, dst: str = Dst.CRON, name: str = "") -> Cron:
    """Check an expression, its zone and its rule; `name` is the schedule's key, for `H`.

    Raises:
        BadSchedule: the text is no supported cron expression, or the time zone or rule is unknown.
    """
    fields = parse_fields(expression, name)
    try:
        rule = Dst(dst)
    except ValueError:
        allowed = ", ".join(repr(each.value) for each in Dst)
        raise BadSchedule(f"dst is {str(dst)[:40]!r}; allowed: {allowed}.") from None
    return _cron(fields, timezone, rule)


@lru_cache(maxsize=8192)
def _cron(fields: Fields, timezone: str, dst: Dst) -> Cron:
    """One object for all schedules with the same meaning, so that they share cached slots."""
    return Cron(fields, load_zone(timezone), dst)


@lru_cache(maxsize=_CACHED_SLOTS)
def next_slot(cron: Cron, moment: datetime) -> datetime | None:
    """`next_after`, cached: a thousand schedules with the same rule cost one computation.

    `moment` is in UTC: in other zones both times of a repeated hour would share an entry.
    """
    return cron.next_after(moment)


def load_zone(timezone: str) -> ZoneInfo:
    """The zone of an IANA name. Raises BadSchedule if there is none."""
    try:
        if not _OF_ONE_MACHINE.match(timezone):
            return ZoneInfo(timezone)
    except (ValueError, OSError, KeyError, TypeError):
        pass
    raise BadSchedule(
        f"The time zone {str(timezone)[:60]!r} is unknown; use an IANA name "
        "such as 'Europe/Copenhagen' or 'UTC'."
    )


def clock_changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """The instants in (start, end] at which the zone's UTC offset changes."""
    change = _first_change(start, end, zone)
    while change is not None:
        yield change
        change = _first_change(change, end, zone)


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
