"""Next slots against a walk over every UTC minute (second), in zones with difficult clock changes.

The walk knows nothing of our code: it asks the zone database what the clock shows, and croniter's
parser (a test dependency only) which values a field has.
"""

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from infinitas.core.cron.expression import parse_cron

EXPRESSIONS = int(os.environ.get("INFINITAS_DIFFERENTIAL", "6"))
"""Random expressions per zone and window."""
MINUTE, SECOND, HOUR = timedelta(minutes=1), timedelta(seconds=1), timedelta(hours=1)
LONGEST_MOVED_GAP = 180
ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Johannesburg",
    "Africa/Monrovia",
    "Africa/Windhoek",
    "America/Adak",
    "America/Anchorage",
    "America/Argentina/Buenos_Aires",
    "America/Asuncion",
    "America/Bogota",
    "America/Caracas",
    "America/Chicago",
    "America/Godthab",
    "America/Havana",
    "America/Los_Angeles",
    "America/New_York",
    "America/Phoenix",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Dhaka",
    "Asia/Gaza",
    "Asia/Hovd",
    "Asia/Jerusalem",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Eucla",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Chisinau",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Europe/London",
    "Europe/Moscow",
    "Europe/Volgograd",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Fakaofo",
    "Pacific/Fiji",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "Pacific/Norfolk",
    "Pacific/Tongatapu",
    "UTC",
]
Step = tuple[datetime, datetime, bool, tuple[datetime, ...]]
"""An instant, the wall-clock time, whether it is repeated, and the times just skipped."""


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """Days of 1985 to 2030 in which the offset changes."""
    tz, day = ZoneInfo(zone), datetime(1985, 1, 1, tzinfo=UTC)
    found = []
    while day.year < 2031:
        if day.astimezone(tz).utcoffset() != (day + 24 * HOUR).astimezone(tz).utcoffset():
            found.append(day)
        day += 24 * HOUR
    return tuple(found) or (datetime(2026, 2, 28, tzinfo=UTC),)


def walk(zone: str, start: datetime, length: timedelta, step: timedelta) -> Iterator[Step]:
    tz, seen = ZoneInfo(zone), set()
    previous = (start - step).astimezone(tz).replace(tzinfo=None)
    for i in range(length // step):
        moment = start + i * step
        wall = moment.astimezone(tz).replace(tzinfo=None, fold=0)
        skipped = (wall - previous) // step - 1
        hidden = tuple(previous + k * step for k in range(1, skipped + 1))
        yield moment, wall, wall in seen, hidden if (wall - previous) // MINUTE <= LONGEST_MOVED_GAP else ()
        seen.add(wall)
        previous = wall


def matcher(expression: str) -> Callable[[datetime], bool]:
    """The day rule of crontab(5) over the values that croniter's parser finds."""
    parts = expression.split()
    expanded, _ = croniter.expand(expression, second_at_beginning=len(parts) == 6)
    if len(parts) == 6:  # croniter moves the seconds to the end
        parts = parts[1:]
        seconds = set(range(60)) if expanded[5] == ["*"] else set(expanded[5])
    else:
        seconds = {0}
    fields = [
        set(range(low, high + 1)) if values == ["*"] else set(values)
        for values, (low, high) in zip(expanded, ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)), strict=False)
    ]
    either = not parts[2].startswith("*") and not parts[4].startswith("*")

    def matches(wall: datetime) -> bool:
        if wall.minute not in fields[0] or wall.hour not in fields[1] or wall.month not in fields[3]:
            return False
        day, weekday = wall.day in fields[2], wall.isoweekday() % 7 in fields[4]
        return wall.second in seconds and ((day or weekday) if either else (day and weekday))

    return matches


def expected(expression: str, steps: list[Step]) -> list[datetime]:
    """Debian's rule: `*` follows the clock; a fixed time runs once, after the gap that hides it."""
    matches, parts = matcher(expression), expression.split()[-5:]
    if parts[0].startswith("*") or parts[1].startswith("*"):
        return [moment for moment, wall, _, _ in steps if matches(wall)]
    return [
        moment
        for moment, wall, again, hidden in steps
        if (matches(wall) and not again) or any(map(matches, hidden))
    ]


def random_field(choose: random.Random, low: int, high: int, busy: float) -> str:
    if choose.random() < busy:
        return choose.choice(["*", "*", f"*/{choose.randint(2, min(30, high))}"])
    first, last = sorted(choose.sample(range(low, high + 1), 2))
    return choose.choice(
        [
            str(first),
            f"{first},{last}",
            f"{first}-{last}",
            f"{first}-{last}/{choose.randint(1, min(7, high - 1))}",
            f"{last}-{first}",
        ]
    )


def random_expression(choose: random.Random, walls: list[datetime]) -> str:
    hours = [str(choose.choice(walls).hour) for _ in range(2)]
    hour = choose.choice([random_field(choose, 0, 23, 0.4), *hours, ",".join(hours), "0", "0-4"])
    day, weekday = choose.choice(walls).day, choose.choice(walls).isoweekday() % 7
    both = (random_field(choose, 1, 28, 0.3), random_field(choose, 0, 6, 0.3))
    first, last = choose.choice([("*", "*"), ("*", "*"), (day, "*"), ("*", weekday), both])
    return f"{random_field(choose, 0, 59, 0.3)} {hour} {first} * {last}"


def check(expression: str, zone: str, start: datetime, steps: list[Step]) -> None:
    cron, moment, found = parse_cron(expression, zone), start - timedelta(milliseconds=1), []
    while (following := cron.next_after(moment)) and following <= steps[-1][0]:
        found.append(following)
        moment = following
    assert found == expected(expression, steps), (expression, zone, start)


@pytest.mark.parametrize("zone", ZONES)
def test_every_minute_around_clock_changes(zone: str) -> None:
    choose = random.Random(zone)
    for day in choose.sample(changes(zone), min(4, len(changes(zone)))):
        start = day - 6 * HOUR
        # What was shown before the start of the window counts as seen.
        steps = [step for step in walk(zone, start - 24 * HOUR, 66 * HOUR, MINUTE) if step[0] >= start]
        walls = [wall for _, wall, _, _ in steps]
        for _ in range(EXPRESSIONS):
            check(random_expression(choose, walls), zone, start, steps)


@pytest.mark.parametrize("zone", [*ZONES[::4], "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"])
def test_every_second_around_a_clock_change(zone: str) -> None:
    choose, tz = random.Random(zone), ZoneInfo(zone)
    day = choose.choice(changes(zone))
    offset = day.astimezone(tz).utcoffset()
    hours = [day + i * HOUR for i in range(25)]
    change = next((hour for hour in hours if hour.astimezone(tz).utcoffset() != offset), day)
    start = change - 3 * HOUR
    steps = [step for step in walk(zone, start - 2 * HOUR, 7 * HOUR, SECOND) if step[0] >= start]
    walls = [wall for _, wall, _, _ in steps]
    for _ in range(max(2, EXPRESSIONS // 6)):
        second = choose.choice(["0", "30", "59", "*/20", "7-9", "15,45"])
        check(f"{second} {random_expression(choose, walls)}", zone, start, steps)
