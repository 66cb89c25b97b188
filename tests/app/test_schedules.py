"""Schedules while they run: change, pause, skip, trigger, backfill, and edits when a slot falls due."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from redis import Redis

from infinitas import (
    BadArgs,
    BadSchedule,
    Entry,
    Infinitas,
    InfinitasError,
    Job,
    UnknownSchedule,
    UnknownTask,
    every,
)
from infinitas.testing import Kit, KitMaker
from tests.support import aeventually, events, running

P = "{infinitas:default}:"
POLICIES: list[Literal["skip", "queue", "allow"]] = ["skip", "queue", "allow"]
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def minutely(**options: Any) -> Infinitas:
    app = Infinitas()

    @app.task(schedule="* * * * *", **options)
    def tick(text: str = "own") -> str:
        return text

    return app


async def states(kit: Kit, key: str = "tick") -> list[str]:
    return [f"{state} {reason}".strip() for _, state, reason in await kit.ledger(key)]


async def test_pause_and_resume(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        await kit.advance(MINUTE)
        info = await app.schedules.apause("tick", "the shop is closed")
        assert info.paused is not None
        assert (info.paused.reason, info.paused.since, info.paused.until) == (
            "the shop is closed",
            kit.now,
            None,
        )
        await kit.advance(2 * MINUTE)
        assert (await app.schedules.aget("tick")).last_slot == kit.now, "the high-water mark moves on"
        assert (await app.schedules.aresume("tick")).paused is None
        await kit.advance(MINUTE)
        assert await states(kit) == ["succeeded", "skipped paused", "skipped paused", "succeeded"]


async def test_a_pause_ends_by_itself(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        await app.schedules.apause("tick", "lunch", until=NOON + 3 * MINUTE)
        await kit.advance(4 * MINUTE)
        assert await states(kit) == ["skipped paused", "skipped paused", "succeeded", "succeeded"]
        assert (await app.schedules.aget("tick")).paused is None


async def test_a_pause_outlives_a_deploy(infinitas_kit: KitMaker) -> None:
    """Code owns definitions, people own pauses."""
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        await app.schedules.apause("tick", "why")
        await app.schedules.achange("tick", "*/2 * * * *")
        assert (await app.schedules.aget("tick")).paused is not None
        await kit.advance(2 * MINUTE)
        assert await states(kit) == ["skipped paused"]


async def test_skip_the_next(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        assert await app.schedules.askip_next("tick", 2) == [NOON + MINUTE, NOON + 2 * MINUTE]
        await kit.advance(MINUTE)
        assert (await app.schedules.aget("tick")).skips == 1
        await kit.advance(2 * MINUTE)
        await app.schedules.askip_next("tick", 5)
        await app.schedules.askip_next("tick", 0)
        await kit.advance(MINUTE)
        assert await states(kit) == ["skipped skip_next", "skipped skip_next", "succeeded", "succeeded"]


async def test_trigger_belongs_to_no_slot(infinitas_kit: KitMaker) -> None:
    app = minutely(args=("from the schedule",))
    async with infinitas_kit(app, NOON) as kit:
        await app.schedules.apause("tick", "why")
        await app.schedules.atrigger("tick")
        await app.schedules.atrigger("tick", ("other",))
        first, second = await kit.drain()
        assert (first.result, second.result) == ("from the schedule", "other")
        assert first.headers == {"infinitas-triggered-by": "tick"}
        assert await kit.ledger("tick") == []
        with pytest.raises(BadArgs):
            await app.schedules.atrigger("tick", (1, 2, 3))


async def test_a_change_takes_effect_at_once_and_keeps_the_rest(infinitas_kit: KitMaker) -> None:
    app = minutely(jitter=1, overlap="allow")
    async with infinitas_kit(app, NOON) as kit:
        info = await app.schedules.achange("tick", every(minutes=10), args=("changed",))
        assert info.next_slot == NOON + 10 * MINUTE
        assert (info.schedule.overlap, info.schedule.jitter_ms) == ("allow", 1000)
        assert info.schedule.overridden
        info = await app.schedules.achange("tick", overlap="queue", timezone="Europe/Berlin")
        assert info.next_slot == NOON + 10 * MINUTE, "an interval that stays keeps its anchor"
        assert [job.args for job in await kit.advance(11 * MINUTE)] == [["changed"]]
        with pytest.raises(BadSchedule):
            await app.schedules.achange("tick", at=NOON)
        with pytest.raises(BadSchedule):
            await app.schedules.achange("tick", "* * * * *", at=NOON + HOUR)


async def test_an_edit_fires_the_slots_that_have_come(infinitas_kit: KitMaker) -> None:
    """The slot is in the ledger, whether the edit comes before or after it."""
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        await kit.outage(MINUTE)
        await app.schedules.achange("tick", "30 * * * *")
        assert await states(kit) == ["queued"], "on time: it runs, by the rule as it was"
        await kit.drain()
        await app.schedules.achange("tick", "* * * * *")
        await kit.outage(3 * MINUTE)
        await app.aschedule("tick", "0 0 1 1 *", key="tick")
        assert (await states(kit))[1:] == ["missed catch_up"] * 2 + ["queued"]


async def test_unscheduling_records_the_slots_that_have_come(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        await kit.outage(2 * MINUTE)
        assert await app.aunschedule("tick")
        assert await states(kit) == ["skipped unscheduled"] * 2
        with pytest.raises(UnknownSchedule):
            await app.schedules.aget("tick")


async def test_backfill_makes_jobs_of_past_slots(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        await app.schedules.apause("tick", "why", until=NOON + 3 * MINUTE)
        await kit.advance(4 * MINUTE)
        start, end = NOON - 2 * MINUTE, NOON + 4 * MINUTE
        dry = await app.schedules.abackfill("tick", start, end, dry_run=True)
        assert dry.slots == tuple(NOON + i * MINUTE for i in (-2, -1, 0, 1, 2))
        assert dry.known == 1, "the one at 12:03 has run; the end is not part of it"
        assert await kit.drain() == []
        await app.schedules.abackfill("tick", start, end, limit=2)
        with pytest.raises(BadSchedule, match="still runs"):
            await app.schedules.abackfill("tick", start, end)
        await kit.advance(timedelta(), run=False)
        assert (await app.schedules.aget("tick")).filling == 3, "two at a time"
        ran = await kit.advance(timedelta(seconds=1))
        while (await app.schedules.aget("tick")).filling is not None:
            ran += await kit.advance(timedelta(seconds=1))
        assert [job.due for job in ran] == list(dry.slots)
        assert await states(kit) == ["succeeded"] * 7
        again = await app.schedules.abackfill("tick", start, end)
        assert (again.slots, again.known) == ((), 6)


async def test_a_backfill_of_an_interval_reaches_behind_its_anchor(infinitas_kit: KitMaker) -> None:
    app = Infinitas()

    @app.task(schedule=every(hours=1))
    def tick() -> None: ...

    async with infinitas_kit(app, NOON) as _:
        found = await app.schedules.abackfill("tick", NOON - 3 * HOUR, NOON, dry_run=True)
        assert found.slots == tuple(NOON - i * HOUR for i in (3, 2, 1))


async def test_a_wrong_backfill_is_refused(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as _:
        for start, end, limit in (
            (NOON - HOUR, NOON + HOUR, 1),
            (NOON, NOON - HOUR, 1),
            (NOON.replace(tzinfo=None), NOON, 1),
            (NOON - timedelta(days=365), NOON, 1),
            (NOON - HOUR, NOON, 0),
            (NOON - HOUR, NOON, 101),
        ):
            with pytest.raises(BadSchedule):
                await app.schedules.abackfill("tick", start, end, limit=limit)


async def test_many_schedules_at_once(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as kit:
        entries = [
            Entry(key=f"todo-{i}", at=NOON + timedelta(seconds=i + 1), args=f'[["{i}"],{{}}]')
            for i in range(1200)
        ]
        assert await app.schedules.aadd_many("tick", entries, grace=60) == 1200
        assert len(await app.schedules.alist(limit=2000)) == 1201
        assert (await app.schedules.alist(limit=1))[0].schedule.key == "todo-0"
        jobs = await kit.advance(timedelta(seconds=59))
        assert [job.result for job in jobs] == [str(i) for i in range(59)]
        with pytest.raises(BadSchedule):
            await app.schedules.aadd_many("tick", [entries[-1], Entry(key="bad", rule="61 * * * *")])
        with pytest.raises(UnknownTask):
            await app.schedules.aadd_many("unknown", entries[-1:])


async def test_wrong_keys_and_values_are_refused(infinitas_kit: KitMaker) -> None:
    app = minutely()
    async with infinitas_kit(app, NOON) as _:
        calls = app.schedules
        for call in (
            calls.aget("x"),
            calls.achange("x", "* * * * *"),
            calls.apause("x", "why"),
            calls.aresume("x"),
            calls.askip_next("x"),
            calls.atrigger("x"),
            calls.abackfill("x", NOON - HOUR, NOON),
        ):
            with pytest.raises(UnknownSchedule):
                await call
        with pytest.raises(BadSchedule):
            await calls.apause("tick", "why", until=NOON)
        with pytest.raises(BadSchedule):
            await calls.apause("tick", "why", until=datetime(2027, 1, 1))
        with pytest.raises(BadArgs):
            await calls.apause("tick", "x" * 501)
        with pytest.raises(BadArgs):
            await calls.askip_next("tick", -1)


async def test_overlap_replace_waits_for_the_one_that_it_cancels(app: Infinitas, redis: Redis) -> None:
    """The next job is ready when the cancelled one has ended, never before."""

    @app.task(schedule=every(milliseconds=300), overlap="replace")
    async def slow(job: Job) -> None:
        await asyncio.sleep(60)

    def job_events() -> list[tuple[str, str]]:
        about = [event for event in events(redis) if event.fields.get("task") == "slow"]
        return [(event.kind, event.fields["job"]) for event in about if "job" in event.fields]

    async def three_replaced() -> bool:
        return [kind for kind, _ in job_events()].count("job.cancelled") >= 3

    async with running(app, scheduler=True):
        await aeventually(three_replaced)
        await app.aunschedule("slow")
        if live := redis.hget(f"{P}live", "slow"):
            await app.acancel(str(live))
    living: set[str] = set()
    for kind, job in job_events():
        if kind == "job.running":
            living.add(job)
            assert len(living) == 1
        elif kind == "job.cancelled":
            living.discard(job)
    assert job_events().count(("job.cancelling", job_events()[0][1])) == 1
    entries: Any = redis.xrange(f"{P}events")
    reasons = [fields.get("reason", "") for _, fields in entries if fields["type"] == "job.cancelled"]
    assert sum(reason.startswith("replaced by slow@") for reason in reasons) >= 3


async def test_edits_in_the_same_second_as_slots_lose_and_double_nothing(
    app: Infinitas, redis: Redis
) -> None:
    """Two schedulers fire a slot every 20 ms while a client edits, pauses and skips all the time."""

    @app.task
    def tick() -> None: ...

    choose = random.Random(4)

    async def edit() -> None:
        schedules = app.schedules
        match choose.randint(1, 6):
            case 1:
                await schedules.achange("k", jitter=choose.choice([0, 0.01]))
            case 2:
                await schedules.achange("k", overlap=choose.choice(POLICIES))
            case 3:
                await schedules.achange("k", args=())
            case 4:
                await schedules.apause("k", "why")
            case 5:
                await schedules.aresume("k")
            case _:
                await schedules.askip_next("k", choose.randint(0, 2))

    async with running(app, scheduler=True), running(app, scheduler=True, worker=False):
        await app.aschedule(tick, every(milliseconds=20), key="k")
        for _ in range(1500):
            await edit()
        info = await app.schedules.aget("k")
        assert await app.aunschedule("k")
    entries: Any = redis.xrange(f"{P}events")
    kinds = ("job.created", "job.skipped", "job.missed")
    born = [f for _, f in entries if f["type"] in kinds and f.get("schedule") == "k"]
    slots = [int(fields["due"]) for fields in born]
    assert len(slots) > 50
    assert slots == list(range(slots[0], slots[0] + 20 * len(slots), 20)), "each slot once, in order"
    assert info.schedule.anchor_ms + 20 == slots[0]
    assert {f["type"] for f in born} >= {"job.created", "job.skipped"}


@pytest.mark.parametrize("verb", ["pause", "resume", "skip_next", "trigger", "get"])
def test_sync_code_has_the_same_verbs(app: Infinitas, verb: str) -> None:
    with pytest.raises(InfinitasError) as refused:
        getattr(app.schedules, verb)(*(("x", "why") if verb == "pause" else ("x",)))
    assert refused.value.code == "unknown_schedule"


async def test_verbs_take_the_second_time_of_a_repeated_hour(infinitas_kit: KitMaker) -> None:
    """In Copenhagen 02:30 comes twice on 25 October 2026, at 00:30 and 01:30 UTC."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Copenhagen"))
    second = first.replace(fold=1)
    utc = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    app = minutely(max_runs=10_000)
    async with infinitas_kit(app, first) as kit:
        assert kit.now == utc - HOUR
        paused = await app.schedules.apause("tick", "change of clocks", until=second)
        assert paused.paused is not None
        assert paused.paused.until == utc
        await kit.move_to(second)
        assert kit.now == utc
        assert await states(kit) == ["skipped paused"] * 59 + ["succeeded"]
        hour = await app.schedules.abackfill("tick", first, second, dry_run=True)
        assert (hour.slots[0], len(hour.slots)) == (utc - HOUR, 60)
        with pytest.raises(BadSchedule, match="end after it"):
            await app.schedules.abackfill("tick", second, first)
        await kit.outage(10 * MINUTE)
        late = await app.schedules.abackfill("tick", second, kit.now, dry_run=True)
        assert (late.slots[0], late.known + len(late.slots)) == (utc + MINUTE, 10)
    for naive in (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=None, fold=1)):
        with pytest.raises(BadArgs, match="no time zone"):
            infinitas_kit(app, naive)
