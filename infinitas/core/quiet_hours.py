"""Quiet hours: from one wall-clock time to another, every day, in a time zone. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """`22:00-07:00` ends on the next day. Each end is the first instant whose wall clock reads it or later:
    a time that a clock change drops is the change itself, and of a repeated time the first one counts."""

    start: time
    end: time
    zone: ZoneInfo

    def until(self, now: datetime) -> datetime | None:
        """When the quiet hours that hold now are over; None if none do."""
        today = now.astimezone(self.zone).date()
        for day in (today - timedelta(days=1), today):
            over = day + timedelta(days=1) if self.end <= self.start else day
            if self._at(day, self.start) <= now < (end := self._at(over, self.end)):
                return end
        return None

    def _at(self, day: date, wall: time) -> datetime:
        local = datetime.combine(day, wall, self.zone)
        found = local.astimezone(UTC)
        if found.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return found
        # The wall clock jumps over this time: the offset before the jump leads behind it, the one after
        # it leads before it. Whole minutes between.
        low, high = sorted((found, local.replace(fold=1).astimezone(UTC)))
        naive = local.replace(tzinfo=None)
        while low < high and low.astimezone(self.zone).replace(tzinfo=None) < naive:
            low += timedelta(minutes=1)
        return low


def read_quiet_hours(text: str, zone: ZoneInfo) -> QuietHours | None:
    """`22:00-07:00` in a zone; None for text of another form, and for hours that never end."""
    found = _HOURS.fullmatch(text)
    if found is None:
        return None
    start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    return QuietHours(start, end, zone) if start != end else None
