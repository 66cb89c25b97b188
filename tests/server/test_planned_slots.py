"""Counts of planned slots are kept while they stay true, and never more than a bound."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from infinitas.core.schedule import Schedule
from infinitas.core.slot_counts import count_slots
from infinitas.server import planned_slots
from infinitas.server.planned_slots import PlannedSlots, round_down, round_up

START = datetime(2026, 3, 29, tzinfo=UTC)
DAY = timedelta(days=1)


def rule(key: str, cron: str = "* * * * *") -> Schedule:
    return Schedule(key=key, task="t", cron=cron)


def test_what_was_counted_once_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    def count(schedule: Schedule, start: datetime, end: datetime) -> int:
        counted.append(schedule.key)
        return count_slots(schedule, start, end)

    monkeypatch.setattr(planned_slots, "count_slots", count)
    slots = PlannedSlots()
    assert [slots.total(rule("a"), START, START + DAY) for _ in range(3)] == [1440] * 3
    assert len(counted) == 1
    assert slots.total(rule("a", "0 * * * *"), START, START + DAY) == 24, "another rule"
    assert slots.total(rule("a"), START + DAY / 2, START + DAY) == 720, "another next slot"
    assert slots.total(rule("a"), START, START) == 0


def drawn(slots: PlannedSlots, rule: Schedule, bucket_s: int, left: int | None = None) -> list[Any]:
    found: list[Any] = orjson.loads(b"[" + slots.drawn(rule, START, START + DAY, bucket_s, left) + b"]")
    return found


def test_few_are_kept() -> None:
    slots = PlannedSlots(most=10_000)
    for n in range(200):
        assert len(drawn(slots, rule(f"k{n}"), 3_600)) == 24
        assert slots._size <= 10_000 + 3_000
    (day,) = drawn(slots, rule("k0"), 86_400)
    assert day == {"start": "2026-03-29T00:00:00Z", "schedule": "k0", "count": 1440}


def test_runs_that_are_left_are_the_first_slots() -> None:
    slots = PlannedSlots()
    counts = [[each["count"] for each in drawn(slots, rule("a"), 3_600, left)] for left in (None, 90, 0)]
    assert counts == [[60] * 24, [60, 30], []]


def test_a_moment_is_rounded() -> None:
    moment = START + timedelta(seconds=301)
    assert (round_down(moment, 300), round_up(moment, 300)) == (
        START + timedelta(seconds=300),
        START + timedelta(seconds=600),
    )
    assert round_down(START, 300) == round_up(START, 300) == START
