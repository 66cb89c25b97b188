"""Moments of any zone become the same instants in UTC."""

import pickle
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinitas import BadArgs, BadSchedule, Infinitas, every, preview
from infinitas.core.codec import from_ms, instant, to_ms
from infinitas.core.cron.expression import clock_changes
from infinitas.core.interval import Every
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_options import make_schedule
from infinitas.tasks.send_options import SendOptions

CHATHAM = ZoneInfo("Pacific/Chatham")
ZONES = (
    "Pacific/Chatham",
    "Europe/Copenhagen",
    "Europe/Dublin",  # its winter time is the exception
    "Australia/Lord_Howe",  # changes by half an hour
    "America/New_York",
    "Africa/Casablanca",
    "Africa/Monrovia",  # -0:44:30 until 1972
    "Antarctica/Troll",  # changes by two hours
    "Pacific/Apia",  # left a day out
)
RULES: tuple[str | Every, ...] = ("0 3 * * *", "30 2 * * *", "*/20 * * * *", "0 0 1 1 *", every(minutes=7))
START, END = datetime(1971, 6, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
CHANGES = {zone: list(clock_changes(ZoneInfo(zone), START, END)) for zone in ZONES}


@st.composite
def near_a_change(draw: st.DrawFn) -> datetime:
    """A local moment within three hours of a clock change: half of them in a repeated or dropped hour."""
    zone = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from(CHANGES[zone]))
    wall = (change + timedelta(minutes=draw(st.integers(-180, 180)))).astimezone(ZoneInfo(zone))
    return wall.replace(fold=draw(st.sampled_from([0, 1])))


def same(moment: datetime) -> Iterator[datetime]:
    """Other datetimes of the same instant."""
    assert moment.tzinfo is not None
    zone = str(moment.tzinfo)
    for other in (ZoneInfo.no_cache(zone), pickle.loads(pickle.dumps(ZoneInfo.no_cache(zone)))):  # noqa: S301
        yield moment.replace(tzinfo=other)
    offset = moment.utcoffset()
    assert offset is not None
    yield moment.replace(tzinfo=timezone(offset), fold=0)
    yield deepcopy(moment)


@given(near_a_change(), st.sampled_from(RULES), st.sampled_from(ZONES))
@settings(max_examples=80)
def test_a_local_moment_is_its_instant(moment: datetime, rule: str | Every, zone: str) -> None:
    """Both times of a repeated hour, one after the other: neither is answered from the other's cache."""
    for each in (moment.replace(fold=1 - moment.fold), moment, *same(moment)):
        offset = each.utcoffset()
        assert offset is not None
        utc = (each.replace(tzinfo=None) - offset).replace(tzinfo=UTC)
        assert (instant(each, "at"), instant(each, "at").tzinfo) == (utc, UTC)
        assert from_ms(to_ms(each)) == utc
        assert preview(rule, now=each, count=3, timezone=zone) == preview(
            rule, now=utc, count=3, timezone=zone
        )
        assert preview(rule, now=each, count=1, timezone=zone).slots[0].utc > utc
        schedule = make_schedule(rule, key="k", task="t", now=each, options={"timezone": zone, "start": each})
        assert schedule == make_schedule(
            rule, key="k", task="t", now=utc, options={"timezone": zone, "start": utc}
        )
        assert schedule.next_after(each) == schedule.next_after(utc)
        due = SendOptions(at=each).at
        assert (due, due and due.tzinfo) == (utc, UTC)


def test_a_preview_is_never_before_its_own_now() -> None:
    """Both times are 02:45 on the clock; the second one is an hour later."""
    first = datetime(2025, 4, 6, 2, 45, tzinfo=CHATHAM)
    second = first.replace(fold=1)
    found = [
        preview("0 3 * * *", timezone=str(CHATHAM), now=now, count=1).slots[0].utc for now in (first, second)
    ]
    assert found == [datetime(2025, 4, 5, 13, 15, tzinfo=UTC), datetime(2025, 4, 6, 14, 15, tzinfo=UTC)]


class Odd(tzinfo):
    """A zone without an offset: such a datetime is naive."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


NAIVE = (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=Odd()))


@pytest.mark.parametrize("moment", NAIVE)
def test_naive_moments_are_refused_at_every_edge(moment: datetime) -> None:
    app = Infinitas(redis_url="unix:///nowhere")

    @app.task
    def work() -> None: ...

    with pytest.raises(BadSchedule, match=r"now is 2026-.* no time zone"):
        preview("0 3 * * *", now=moment)
    with pytest.raises(BadSchedule, match=r"start of .* no time zone"):
        preview("0 3 * * *", start=moment)
    with pytest.raises(BadSchedule, match=r"end of .* no time zone"):
        preview("0 3 * * *", end=moment)
    with pytest.raises(BadArgs, match="no time zone"):
        work.using(at=moment)
    with pytest.raises(BadSchedule, match="no time zone"):
        make_schedule(None, key="k", task="t", at=moment, now=START)
    with pytest.raises(TypeError, match="offset-naive"):
        Schedule(key="k", task="t", cron="0 3 * * *").next_after(moment.replace(tzinfo=None))


@pytest.mark.parametrize(
    "zone", [UTC, CHATHAM, timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))]
)
@pytest.mark.parametrize("end", [datetime.min, datetime.max])
def test_the_ends_of_the_calendar_are_refused(end: datetime, zone: Any) -> None:
    moment = end.replace(tzinfo=zone)
    with pytest.raises(BadSchedule, match="1970 to 8999"):
        preview("0 3 * * *", now=moment)
    with pytest.raises(BadArgs, match="1970 to 8999"):
        instant(moment, "at")


class Stamp(datetime):
    """As datetimes of other libraries, whose difference is an object of their own."""

    def __sub__(self, other: Any) -> Any:
        return "a period"


def test_a_datetime_of_another_library_is_an_instant() -> None:
    moment = Stamp(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1, minutes=2, seconds=3)))
    assert instant(moment, "at") == datetime(2026, 1, 1, 10, 57, 57, tzinfo=UTC)
    assert type(instant(moment, "at")) is datetime
    assert to_ms(moment) == to_ms(instant(moment, "at"))


@pytest.mark.parametrize(
    "name", ["localtime", "posixrules", "Factory", "right/UTC", "posix/Europe/Paris", "Europe/copenhagen", ""]
)
def test_a_zone_that_another_machine_lacks_is_refused(name: str) -> None:
    with pytest.raises(BadSchedule, match="IANA name"):
        preview("0 3 * * *", timezone=name)
