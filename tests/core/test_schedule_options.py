"""A schedule's rule and options from a user, checked at the edge, with any input."""

import string
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinitas.core.errors import BadSchedule
from infinitas.core.interval import every, parse_every
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_fields import FIELD_CHECKS, OPTIONS
from infinitas.core.schedule_options import OPTION_NAMES, ScheduleOptions, change_schedule, make_schedule

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
MOMENTS = st.datetimes(timezones=ZONES | st.none()) | st.sampled_from(
    [
        edge.replace(tzinfo=timezone(timedelta(hours=h)))
        for edge in (datetime.min, datetime.max)
        for h in (-12, 14)
    ]
)
WORDS = st.sampled_from(["cron", "skip", "literal", "queue", "replace", "allow", "latest", "all", "none"])
JUNK: Any = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | WORDS | MOMENTS
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=2), st.integers(), max_size=1)
)  # fmt: skip
GOOD: Any = {
    "timezone": st.sampled_from(["Europe/Copenhagen", "Africa/Casablanca"]),
    "dst": st.sampled_from(["cron", "skip", "literal"]),
    "overlap": st.sampled_from(["skip", "queue", "replace", "allow"]),
    "catch_up": st.sampled_from(["latest", "all", "none"]),
    "catch_up_window": st.none() | st.floats(0, 1e6),
    "catch_up_limit": st.integers(1, 1000),
    "jitter": st.floats(0, 1e6),
    "start": st.none() | MOMENTS,
    "end": st.none() | MOMENTS,
    "max_runs": st.none() | st.integers(1, 10**9),
    "grace": st.none() | st.floats(0, 1e6),
}
GIVEN = st.fixed_dictionaries({}, optional=GOOD) | st.dictionaries(
    st.sampled_from([*sorted(OPTION_NAMES), "over_lap"]), JUNK, max_size=4
)
RULES: Any = (
    st.sampled_from(["0 * * * *", "30 2 * * *", "H H * * *", "0 0 29 2 *"])
    | st.builds(every, seconds=st.integers(1, 10**6))
    | JUNK
)


def test_every_list_of_the_options_is_the_same() -> None:
    types = get_type_hints(ScheduleOptions)
    assert GOOD.keys() == OPTIONS.keys() == OPTION_NAMES == types.keys()
    assert FIELD_CHECKS.keys() == {field.name for field in fields(Schedule)}
    assert {option.field for option in OPTIONS.values()} < FIELD_CHECKS.keys()
    for name in ("dst", "overlap", "catch_up"):
        assert OPTIONS[name].allowed == " or ".join(map(repr, get_args(types[name])))


@settings(max_examples=600, deadline=None)
@given(RULES, st.none() | MOMENTS | JUNK, GIVEN)
def test_options_make_a_schedule_or_are_refused(rule: Any, at: Any, options: Any) -> None:
    try:
        schedule = make_schedule(rule, key="k", task="t", at=at, now=NOW, options=options)
    except BadSchedule:
        return
    assert Schedule.from_json(schedule.to_json()) == schedule
    moment = NOW
    for _ in range(3):
        following = schedule.next_after(moment)
        if following is None:
            break
        assert following > moment
        assert schedule.ready_at(following) >= following
        moment = following


@settings(max_examples=250, deadline=None)
@given(RULES, GIVEN, GIVEN)
def test_a_change_keeps_what_is_not_given(rule: Any, first: Any, then: Any) -> None:
    try:
        schedule = make_schedule(rule, key="k", task="t", now=NOW, options=first)
        changed = change_schedule(schedule, now=NOW + timedelta(hours=1), options=then)
    except BadSchedule:
        return
    assert changed.rule_text == schedule.rule_text
    for name in ("overlap", "catch_up", "max_runs", "dst"):
        assert getattr(changed, name) == then.get(name, getattr(schedule, name))


@settings(max_examples=250, deadline=None)
@given(st.text(string.digits + "hmsd. -+e∞", max_size=12))
def test_a_duration_is_read_or_refused(text: str) -> None:
    try:
        found = parse_every(text)
    except BadSchedule:
        return
    assert found.ms > 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"overlap": "never"}, "overlap of schedule 'k' is 'never'; allowed: 'skip' or 'queue'"),
        ({"max_runs": 0}, "max_runs of schedule 'k' is 0; allowed: 1 to 1,000,000,000"),
        ({"jitter": float("nan")}, "jitter of schedule 'k' is nan; allowed: seconds from 0 to a year"),
        ({"start": datetime(2026, 1, 1)}, "has no time zone; pass an aware datetime"),
        ({"start": datetime.min.replace(tzinfo=UTC)}, "allowed: 1970 to 8999"),
        ({"end": NOW, "start": NOW}, "ends before it starts"),
        ({"tz": "UTC"}, "unknown option 'tz'; did you mean 'timezone'?"),
        ({"over_lap": "skip"}, "The schedule 'k': unknown option 'over_lap'; did you mean 'overlap'?"),
    ],
)
def test_a_refusal_names_what_is_allowed(options: Any, text: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        make_schedule("0 * * * *", key="k", task="t", now=NOW, options=options)
    assert text in str(refused.value)
