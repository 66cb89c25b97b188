"""Requests that compute much: beside the event loop, for a limited time, with an answer of limited size."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from infinitas.core.errors import RateLimited
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_preview import preview_schedule
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.server.computing import BUDGET_S, MOST_WAITING, GoOn, compute
from infinitas.server.lanes import MOST_SLOT_BYTES, _add_slots, _Lane, _Slots

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RARE = {"cron": "0 0 29 2 *", "timezone": "Australia/Lord_Howe"}


async def longest_stall(work: Awaitable[object]) -> float:
    """How long the event loop stood still while `work` was done."""
    longest = 0.0
    doing = asyncio.ensure_future(work)
    while not doing.done():
        begun = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - begun)
    await doing
    return longest


def busy(go_on: GoOn) -> int:
    rounds = 0
    while go_on():
        rounds += sum(range(1000)) > 0
    return rounds


async def test_a_computation_ends_in_time_beside_the_loop() -> None:
    begun = time.process_time()
    assert await longest_stall(compute(busy)) < BUDGET_S / 2
    assert time.process_time() - begun < 20 * BUDGET_S


async def test_more_computations_than_may_wait_are_refused() -> None:
    answers = await asyncio.gather(
        *(compute(lambda _: 1) for _ in range(MOST_WAITING + 5)), return_exceptions=True
    )
    assert sum(isinstance(each, RateLimited) for each in answers) == 5


def test_a_preview_is_cut_when_its_time_is_over() -> None:
    schedule = Schedule(key="k", task="t", cron="* * * * *")
    assert len(preview_schedule(schedule, NOW, 10, go_on=lambda: False).slots) == 0


def test_the_slots_of_a_timeline_are_bounded_in_bytes_and_time() -> None:
    long = timedelta(days=31)
    slots = [
        _Slots(
            ScheduleInfo(schedule=Schedule(key="k" * 500 + str(n), task="t", cron="0 * * * *"), queue="q"),
            absent=(NOW, NOW),
            future=(NOW, NOW + long),
        )
        for n in range(20)
    ]
    lanes: dict[str, _Lane] = {}
    assert not _add_slots(lanes, slots, 3600, lambda: True)
    assert MOST_SLOT_BYTES / 2 < sum(map(len, lanes["t"].future)) <= MOST_SLOT_BYTES
    assert not _add_slots({}, slots, 3600, lambda: False)


@pytest.mark.parametrize("path", ["preview?n=1000", "rare/skip"])
def test_a_rare_rule_is_answered(http: httpx.Client, path: str) -> None:
    assert http.put("/api/v1/schedules/rare", json={"task": "noop", **RARE}).status_code == 200
    body = RARE if path.startswith("preview") else {"count": 1000}
    answer = http.post(f"/api/v1/schedules/{path}", json=body)
    assert answer.status_code == 200, answer.text
    assert 0 < len(answer.json()["slots"]) <= 1000
