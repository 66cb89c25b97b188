"""Counted slots are those that stepping finds, in every zone, around clock changes, whatever the bucket."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinitas.core.schedule import Schedule
from infinitas.core.slot_counts import bucket_for, count_in_buckets, count_slots

MS = timedelta(milliseconds=1)
ZONES = (
    "UTC", "Europe/Copenhagen", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"
)  # fmt: skip
RULES = (
    "* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 0-4 * * *", "15 1-3 * * mon-fri", "0 0 L * *",
    "0 12 29 2 *", "*/20 */5 2 * * *", "7 3 1,15 * 5", "0 0 30 2 *",
    "59 23 * * *", "0 3 * * 1#2", "H H * * *",
)  # fmt: skip
CHANGES = ("2026-03-29T00:00", "2026-10-25T00:00", "2026-11-01T00:00", "2026-04-04T12:00", "2026-03-08T05:00")


def stepped(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    found, slot = [], schedule.next_after(start - MS)
    while slot is not None and slot < end:
        found.append(slot)
        slot = schedule.next_after(slot)
    return found


def rule(**fields: object) -> Schedule:
    return Schedule(key="k", task="t", **fields)  # type: ignore[arg-type]


schedules = st.one_of(
    st.builds(
        lambda cron, zone, dst: rule(cron=cron, timezone=zone, dst=dst),
        st.sampled_from(RULES),
        st.sampled_from(ZONES),
        st.sampled_from(("cron", "skip", "literal")),
    ),
    st.builds(
        lambda ms, anchor: rule(every_ms=ms, anchor_ms=anchor),
        st.integers(60_000, 90_000_000),
        st.integers(0, 2 * 10**12),
    ),
    st.builds(lambda hours: rule(at_ms=1_774_742_400_000 + hours * 3_600_000), st.integers(-50, 50)),
)
starts = st.builds(
    lambda at, ms: datetime.fromisoformat(at).replace(tzinfo=UTC) + ms * MS,
    st.sampled_from(CHANGES),
    st.integers(-40_000_000, 40_000_000),
)


@settings(max_examples=150)
@given(schedules, starts, st.integers(1, 50 * 3_600_000), st.sampled_from((1, 60, 900, 5_000, 86_400)))
def test_counts_are_what_stepping_finds(schedule: Schedule, start: datetime, ms: int, bucket_s: int) -> None:
    end = start + ms * MS
    slots = stepped(schedule, start, end)
    assert count_slots(schedule, start, end) == len(slots)
    expected: dict[int, int] = {}
    for slot in slots:
        begins = int(slot.timestamp() // bucket_s * bucket_s)
        expected[begins] = expected.get(begins, 0) + 1
    assert count_in_buckets(schedule, start, end, bucket_s) == expected


FIXED = ("30 2 * * *", "0,30 0-4 * * *", "15 1-3 * * mon-fri", "0 3 * * *", "0 30 1,2 * * 0", "7 5 0 * * *")


@pytest.mark.parametrize("zone", ZONES)
def test_each_clock_change_hides_and_repeats(zone: str) -> None:
    for change in CHANGES:
        start = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(hours=9)
        end = start + timedelta(days=2)
        for cron in FIXED:
            for dst in ("cron", "skip", "literal"):
                schedule = rule(cron=cron, timezone=zone, dst=dst)
                slots = stepped(schedule, start, end)
                assert count_slots(schedule, start, end) == len(slots), (change, cron, dst)
                counted = count_in_buckets(schedule, start, end, 900)
                assert sum(counted.values()) == len(slots), (change, cron, dst)
                assert set(counted) == {int(slot.timestamp() // 900 * 900) for slot in slots}


@settings(max_examples=40)
@given(st.integers(-20_000, 20_000), st.integers(1, 20_000), st.sampled_from(ZONES), st.sampled_from(CHANGES))
def test_every_second_over_a_clock_change(before_s: int, length_s: int, zone: str, change: str) -> None:
    start = datetime.fromisoformat(change).replace(tzinfo=UTC) + timedelta(seconds=before_s)
    end = start + timedelta(seconds=length_s)
    assert count_slots(rule(cron="* * * * * *", timezone=zone), start, end) == length_s
    fixed = rule(cron="* 0-59 0-23 * * *", timezone=zone)
    assert count_slots(fixed, start, end) == len(stepped(fixed, start, end))


def test_a_week_of_seconds() -> None:
    start = datetime(2026, 10, 20, tzinfo=UTC)
    schedule = rule(cron="* * * * * *", timezone="Europe/Copenhagen")
    counted = count_in_buckets(schedule, start, start + timedelta(days=7), 3_600)
    assert list(counted.values()) == [3_600] * 168


def test_a_schedule_has_slots_in_its_own_range_alone() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    first, last = 1_767_229_200_000, 1_767_232_800_000
    schedule = rule(every_ms=1_000, start_ms=first, end_ms=last)
    assert count_slots(schedule, start, start + timedelta(days=3)) == 3_600
    assert sum(count_in_buckets(schedule, start, start + timedelta(days=3), 60).values()) == 3_600
    assert count_slots(schedule, start, start) == count_slots(schedule, start + timedelta(days=1), start) == 0


@pytest.mark.parametrize(
    ("wanted", "totals", "expected"),
    [
        (300, [1] * 1_000, 300),
        (300, [86_400], 300),
        (300, [86_400] * 1_000, 7_200),
        (7, [3, 86_400], 7),
        (1, [86_400] * 5, 60),
        (300, [], 300),
        (300, [86_400] * 100_000, 86_400),
    ],
)
def test_buckets_grow_with_what_is_dense(wanted: int, totals: list[int], expected: int) -> None:
    assert bucket_for(wanted, totals, timedelta(days=1), 13_000) == expected
