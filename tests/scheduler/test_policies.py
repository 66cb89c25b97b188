"""Policies of a schedule: catch-up, overlap, jitter, start, end, number of runs, grace."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infinitas import BadSchedule, ConfigError, Infinitas, every
from infinitas.broker.messages import ClaimRequest
from infinitas.testing import Kit, KitMaker

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def minutely(**options: Any) -> Infinitas:
    app = Infinitas()

    @app.task(schedule="* * * * *", **options)
    def tick() -> None: ...

    return app


async def states(kit: Kit, key: str = "tick") -> list[str]:
    return [f"{state} {reason}".strip() for _, state, reason in await kit.ledger(key)]


async def whole(kit: Kit, first: datetime, last: datetime) -> None:
    """Every slot of the range is in the ledger exactly once."""
    expected = [first + i * MINUTE for i in range((last - first) // MINUTE + 1)]
    assert [slot for slot, _, _ in await kit.ledger("tick")] == expected


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ({}, 1),
        ({"catch_up": "latest"}, 1),
        ({"catch_up": "none"}, 1),  # the slot that is just due
        ({"catch_up": "all", "overlap": "allow"}, 60),
        ({"catch_up": "all", "overlap": "allow", "catch_up_limit": 10}, 10),
        ({"catch_up": "all", "overlap": "allow", "catch_up_window": 15 * 60}, 16),
        ({"catch_up": "latest", "catch_up_window": 30}, 1),
        ({"catch_up": "none", "grace": 120, "overlap": "allow"}, 3),
    ],
    ids=str,
)
async def test_an_hour_without_a_scheduler(
    infinitas_kit: KitMaker, options: dict[str, Any], ran: int
) -> None:
    async with infinitas_kit(minutely(**options), NOON) as kit:
        await kit.outage(HOUR)
        await kit.advance(timedelta())
        assert await states(kit) == ["missed catch_up"] * (60 - ran) + ["succeeded"] * ran
        await whole(kit, NOON + MINUTE, NOON + HOUR)
        await kit.advance(MINUTE)
        assert (await states(kit))[60:] == ["succeeded"], "and it goes on"


@pytest.mark.parametrize(("catch_up", "ran"), [("latest", 1), ("none", 0), ("all", 59)])
async def test_an_outage_that_ends_between_slots(infinitas_kit: KitMaker, catch_up: str, ran: int) -> None:
    async with infinitas_kit(minutely(catch_up=catch_up, overlap="allow"), NOON) as kit:
        await kit.outage(HOUR - timedelta(seconds=20))
        await kit.advance(timedelta())
        assert await states(kit) == ["missed catch_up"] * (59 - ran) + ["succeeded"] * ran


async def test_caught_up_slots_obey_the_overlap_rule(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(minutely(catch_up="all"), NOON) as kit:
        await kit.outage(5 * MINUTE)
        await kit.advance(timedelta())
        assert await states(kit) == ["succeeded"] + ["skipped overlap"] * 4


async def test_a_day_without_a_scheduler_every_second(infinitas_kit: KitMaker) -> None:
    """More slots than one pass plans: still each once."""
    app = Infinitas()

    @app.task(schedule=every(seconds=10))
    def tick() -> None: ...

    async with infinitas_kit(app, NOON) as kit:
        await kit.outage(timedelta(hours=6))
        await kit.advance(timedelta())
        found = await kit.ledger("tick")
        assert [slot for slot, _, _ in found] == [NOON + timedelta(seconds=10 * i) for i in range(1, 2161)]
        assert [state for _, state, _ in found] == ["missed"] * 2159 + ["succeeded"]


async def test_overlap_skip_leaves_out_what_comes_while_a_job_lives(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(minutely(), NOON) as kit:
        await kit.advance(3 * MINUTE, run=False)
        assert await states(kit) == ["queued", "skipped overlap", "skipped overlap"]
        await kit.drain()
        await kit.advance(MINUTE)
        assert await states(kit) == ["succeeded", "skipped overlap", "skipped overlap", "succeeded"]
        await whole(kit, NOON + MINUTE, NOON + 4 * MINUTE)


async def test_overlap_queue_lets_one_wait(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(minutely(overlap="queue"), NOON) as kit:
        await kit.advance(4 * MINUTE, run=False)
        assert await states(kit) == ["queued", "scheduled", "skipped overlap", "skipped overlap"]
        assert [job.due for job in await kit.drain()] == [NOON + MINUTE, NOON + 2 * MINUTE]
        await kit.advance(MINUTE, run=False)
        assert (await states(kit))[4:] == ["queued"], "the line is empty again"


async def test_a_cancelled_follower_leaves_its_place(infinitas_kit: KitMaker) -> None:
    app = minutely(overlap="queue")
    async with infinitas_kit(app, NOON) as kit:
        await kit.advance(2 * MINUTE, run=False)
        await app.acancel("tick@20260504T120200Z")
        await kit.advance(MINUTE, run=False)
        assert await states(kit) == ["queued", "cancelled no reason was given", "scheduled"]
        assert [job.due for job in await kit.drain()] == [NOON + MINUTE, NOON + 3 * MINUTE]


async def test_overlap_replace_cancels_what_waits(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(minutely(overlap="replace"), NOON) as kit:
        await kit.advance(3 * MINUTE, run=False)
        assert await states(kit) == [
            "cancelled replaced by tick@20260504T120200Z",
            "cancelled replaced by tick@20260504T120300Z",
            "queued",
        ]
        assert len(await kit.drain()) == 1


async def test_overlap_replace_leaves_no_job_behind_one_that_is_slow_to_stop(
    infinitas_kit: KitMaker,
) -> None:
    async with infinitas_kit(minutely(overlap="replace"), NOON) as kit:
        await kit.advance(MINUTE, run=False)
        (claimed,) = (await kit.brokers["default"].jobs.claim(ClaimRequest("kit", [["tick"]], 1, 60))).jobs
        await kit.advance(2 * MINUTE, run=False)
        assert await states(kit) == [
            "running",
            "cancelled replaced by tick@20260504T120300Z",
            "scheduled",
        ]
        await kit._run(claimed)
        assert [job.due for job in await kit.drain()] == [NOON + 3 * MINUTE]


async def test_overlap_allow(infinitas_kit: KitMaker) -> None:
    async with infinitas_kit(minutely(overlap="allow"), NOON) as kit:
        await kit.advance(3 * MINUTE, run=False)
        assert await states(kit) == ["queued"] * 3


async def test_jitter_is_each_slots_own_and_always_the_same(infinitas_kit: KitMaker) -> None:
    begun = []
    for _ in range(2):
        app = minutely(jitter=30)
        async with infinitas_kit(app, NOON) as kit:
            jobs = await kit.advance(20 * MINUTE + timedelta(seconds=30))
            assert [job.due for job in jobs] == [NOON + i * MINUTE for i in range(1, 21)]
            begun.append([(job.started or NOON) - job.due for job in jobs])
    assert begun[0] == begun[1]
    assert all(timedelta() <= delay < timedelta(seconds=30) for delay in begun[0])
    assert len(set(begun[0])) > 15


async def test_start_end_and_number_of_runs(infinitas_kit: KitMaker) -> None:
    app = minutely(start=NOON + 5 * MINUTE, end=NOON + 8 * MINUTE)
    async with infinitas_kit(app, NOON) as kit:
        await kit.advance(HOUR)
        assert await kit.fired("tick") == [NOON + i * MINUTE for i in (5, 6, 7)]

    app = minutely(max_runs=3)
    async with infinitas_kit(app, NOON) as kit:
        await kit.advance(HOUR)
        assert await kit.fired("tick") == [NOON + i * MINUTE for i in (1, 2, 3)]
        info = await app.schedules.aget("tick")
        assert (info.runs, info.next_slot) == (3, None)


async def test_an_interval_with_a_start_begins_there(infinitas_kit: KitMaker) -> None:
    app = Infinitas()

    @app.task
    def tick() -> None: ...

    async with infinitas_kit(app, NOON) as kit:
        start = NOON + timedelta(minutes=7)
        assert await app.aschedule(tick, every(hours=1), key="k", start=start) == start
        await kit.advance(3 * HOUR)
        assert await kit.fired("k") == [start, start + HOUR, start + 2 * HOUR]


async def test_once_is_over_after_its_moment(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        at = NOON + timedelta(milliseconds=90_500)
        await app.aschedule("tick", at=at, key="once")
        await kit.advance(HOUR)
        assert await kit.fired("once") == [at]
        assert [info.schedule.key for info in await app.schedules.alist()] == ["tick"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"overlap": "maybe"},
        {"catch_up": "most"},
        {"catch_up_window": -1},
        {"catch_up_limit": 0},
        {"catch_up_limit": 1001},
        {"jitter": "much"},
        {"jitter": float("nan")},
        {"jitter": None},
        {"start": datetime(2026, 1, 1)},
        {"end": "tomorrow"},
        {"start": NOON + HOUR, "end": NOON},
        {"max_runs": 0},
        {"max_runs": True},
        {"grace": 10**12},
        {"dst": "sometimes"},
        {"timezone": "Mars/Olympus"},
    ],
    ids=str,
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSchedule):
        minutely(**wrong)


def test_options_without_a_schedule_are_refused() -> None:
    app = Infinitas()
    with pytest.raises(ConfigError, match="overlap"):

        @app.task(overlap="skip")
        def tick() -> None: ...
