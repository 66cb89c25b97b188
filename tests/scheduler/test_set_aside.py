"""One stored schedule that can't be read or planned: it is set aside and reported; the others go on."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas import BadSchedule, Infinitas, every
from infinitas.app.deploy import plan_sync
from infinitas.broker.connection import Connection
from infinitas.broker.messages import Declarer
from infinitas.broker.queue import QueueBroker
from infinitas.broker.stored_rules import read_rule
from infinitas.client.redis_client import RedisClient
from infinitas.core.codec import to_ms
from infinitas.core.cron.expression import load_zone
from infinitas.core.declaration import ChangeKind
from infinitas.core.errors import InfinitasError
from infinitas.core.planner import Fire
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_options import ScheduleOptions, make_schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.scheduler import unreadable_schedules
from infinitas.scheduler.replanner import Replanner
from infinitas.scheduler.ticker import DUE_LIMIT, RECHECK_S, Ticker
from infinitas.scheduler.wakeup import Wakeup
from tests.support import aeventually, events, running

P = "{infinitas:default}:"
MS = timedelta(milliseconds=1)


def definition(**fields: Any) -> str:
    return json.dumps({"key": "bad", "task": "t", "origin": "api", **fields})


UNREADABLE: dict[str, str | bytes] = {
    "no JSON": "{",
    "no UTF-8": b'{"key":"bad","task":"t","every_ms":100,"args":"[[\\"\xff\\"],{}]"}',
    "no object": "[1]",
    "null": "null",
    "no rule": definition(),
    "a newer kind of rule": definition(sunrise="Copenhagen"),
    "two rules": definition(every_ms=100, cron="* * * * * *"),
    "an interval of 0": definition(every_ms=0),
    "an interval as text": definition(every_ms="100"),
    "an interval of true": definition(every_ms=True),
    "a zone of another database": definition(cron="* * * * * *", timezone="Mars/Phobos"),
    "cron of another version": definition(cron="@sunrise"),
    "a newer overlap": definition(every_ms=100, overlap="newest"),
    "a list for the key": definition(key=["bad"], every_ms=100),
    "another schedule's": definition(key="other", every_ms=100),
    "no task": json.dumps({"key": "bad", "every_ms": 100}),
    "a moment after the calendar's end": definition(at_ms=10**18),
    "an anchor after the calendar's end": definition(every_ms=100, anchor_ms=10**18),
    "numbers too large": definition(every_ms=10**30),
    "a jitter as text": definition(every_ms=100, jitter_ms="much"),
    "a limit of null": definition(every_ms=100, catch_up="all", catch_up_limit=None),
}
kinds = pytest.mark.parametrize("stored", list(UNREADABLE.values()), ids=list(UNREADABLE))


def put(redis: Redis, stored: str | bytes, key: str = "bad", score: float | str | None = None) -> None:
    """Store a definition past all checks, as due for a second."""
    redis.hset(f"{P}schedules", key, stored)
    now: Any = redis.time()
    redis.zadd(f"{P}due", {key: now[0] * 1000 - 1000 if score is None else score})


def calls(redis: Redis) -> int:
    found: Any = redis.info("commandstats")
    return int(found["cmdstat_evalsha"]["calls"])


async def honest(broker: QueueBroker) -> None:
    now = await broker.now()
    allow = ScheduleOptions(overlap="allow")
    rule = make_schedule(every(milliseconds=50), key="good", task="t", now=now, origin="api", options=allow)
    assert await broker.schedules.schedule([rule], now) == ["ok"]


def jobs_of(redis: Redis, key: str) -> int:
    return len([e for e in events(redis, "job.created") if e.fields.get("schedule") == key])


@kinds
def test_what_cannot_be_read_is_a_bad_schedule(stored: str | bytes) -> None:
    with pytest.raises(BadSchedule):
        read_rule("bad", stored)


async def test_one_is_set_aside_and_the_others_go_on(
    make_app: Callable[..., Infinitas], broker: QueueBroker, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A real scheduler, with every kind of unreadable schedule beside an honest one."""
    for i, stored in enumerate(UNREADABLE.values()):
        put(redis, stored, f"bad{i}")
    put(redis, definition(key="place", every_ms=100), "place", "inf")
    put(redis, definition(key="place2", every_ms=100), "place2", "-inf")
    put(redis, definition(key="place3", every_ms=100), "place3", 1.5)
    async with running(make_app(), worker=False, scheduler=True):
        await honest(broker)

        async def fires() -> bool:
            return jobs_of(redis, "good") >= 20

        await aeventually(fires)
        assert len([r for r in caplog.records if "is set aside" in r.message]) == len(UNREADABLE) + 2
    reported = events(redis, "schedule.unreadable")
    assert sorted(e.fields["schedule"] for e in reported) == sorted(
        [*(f"bad{i}" for i in range(len(UNREADABLE))), "place2", "place3"]
    )
    assert all(e.fields["reason"] for e in reported)
    assert jobs_of(redis, "bad0") == 0
    assert redis.zcard(f"{P}due") == len(UNREADABLE) + 4, "for another version they are still due"


async def test_alone_it_makes_no_busy_loop(broker: QueueBroker, redis: Redis) -> None:
    put(redis, definition())
    ticker = Ticker(broker)
    await ticker.run_once()
    before = calls(redis)
    await ticker.run_once()
    assert calls(redis) - before <= 2, "it read once, and slept"


async def test_while_one_is_set_aside_new_slots_are_found(
    broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands first in `due`, so that a slot that is stored behind it brings no wake-up."""
    slept: list[float | None] = []

    async def sleep(_: Wakeup, seconds: float | None) -> None:
        slept.append(seconds)

    monkeypatch.setattr(Wakeup, "sleep", sleep)
    ticker = Ticker(broker)
    await ticker.run_once()
    put(redis, definition())
    await ticker.run_once()
    await ticker.run_once()
    assert slept == [None, RECHECK_S]


async def test_five_hundred_do_not_starve_one(broker: QueueBroker, redis: Redis) -> None:
    """All with the same score, and more than a page of the ticker."""
    now: Any = redis.time()
    score = now[0] * 1000 - 5000
    for i in range(2 * DUE_LIMIT):
        put(redis, definition(), f"bad{i:04}", score)
    rule = Schedule(key="good", task="t", at_ms=score)
    redis.hset(f"{P}schedules", "good", rule.to_json())
    redis.zadd(f"{P}due", {"good": score})
    ticker = Ticker(broker)
    for _ in range(4):
        await ticker.fire(await ticker.read_due())
    assert jobs_of(redis, "good") == 1
    assert len(events(redis, "schedule.unreadable")) == 2 * DUE_LIMIT


async def test_one_that_is_refused_behind_a_page_of_unreadable_ones_starves_none(
    broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of the ticker holds one plan, and its fire fails: the page is set aside nevertheless."""
    now: Any = redis.time()
    score = now[0] * 1000 - 5000
    for i in range(DUE_LIMIT - 1):
        put(redis, definition(), f"bad{i:04}", score)
    for key, at in (("refused", score + 1), ("good", score + 2)):
        redis.hset(f"{P}schedules", key, Schedule(key=key, task="t", at_ms=at).to_json())
        redis.zadd(f"{P}due", {key: at})
    fire = broker.schedules.fire

    async def refuse(fires: Sequence[Fire]) -> list[bool]:
        if any(each.schedule.key == "refused" for each in fires):
            raise InfinitasError("refused")
        return await fire(fires)

    monkeypatch.setattr(broker.schedules, "fire", refuse)
    ticker = Ticker(broker)
    with pytest.raises(InfinitasError):
        await ticker.fire(await ticker.read_due())
    await ticker.fire(await ticker.read_due())
    assert jobs_of(redis, "good") == 1
    reported = {e.fields["schedule"] for e in events(redis, "schedule.unreadable")}
    assert len(reported) == DUE_LIMIT
    assert "refused" in reported


async def test_several_schedulers_report_each_definition_once(broker: QueueBroker, redis: Redis) -> None:
    put(redis, definition())
    for ticker in (Ticker(broker), Ticker(broker)):
        await ticker.fire(await ticker.read_due())
    assert len(events(redis, "schedule.unreadable")) == 1
    put(redis, definition(every_ms="x"))
    ticker = Ticker(broker)
    await ticker.fire(await ticker.read_due())
    assert len(events(redis, "schedule.unreadable")) == 2


async def test_a_newer_scheduler_fires_what_an_older_one_sets_aside(
    broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(redis, definition(cron="* * * * * *", timezone="Mars/Olympus", overlap="allow"))
    old = Ticker(broker)
    await old.fire(await old.read_due())
    assert jobs_of(redis, "bad") == 0

    def newer(zone: str) -> Any:
        return load_zone("UTC" if zone == "Mars/Olympus" else zone)

    with monkeypatch.context() as patch:
        patch.setattr("infinitas.core.cron.expression.load_zone", newer)
        new = Ticker(broker)
        assert await new.fire(await new.read_due())
    assert jobs_of(redis, "bad") >= 1


async def test_it_is_tried_again(broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition that was repaired in place keeps its slot; so does one whose zone is known by now."""
    put(redis, definition())
    ticker = Ticker(broker)
    await ticker.fire(await ticker.read_due())
    put(redis, definition(every_ms=100, overlap="allow"))
    assert not (await ticker.read_due()).found
    monkeypatch.setattr(unreadable_schedules, "TRY_AGAIN_S", 0.0)
    await ticker.fire(await ticker.read_due())
    assert jobs_of(redis, "bad") >= 1


async def test_a_rule_that_reads_well_and_cannot_be_planned(
    broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await honest(broker)
    put(redis, definition(every_ms=100))
    real = Schedule.next_after

    def broken(self: Schedule, moment: Any) -> Any:
        if self.key == "bad":
            raise OverflowError("date value out of range")
        return real(self, moment)

    monkeypatch.setattr(Schedule, "next_after", broken)
    ticker = Ticker(broker)
    await asyncio.sleep(0.1)
    await ticker.fire(await ticker.read_due())
    assert jobs_of(redis, "good") >= 1
    assert [e.fields["schedule"] for e in events(redis, "schedule.unreadable")] == ["bad"]


async def test_a_damaged_pause_stops_its_own_schedule_alone(broker: QueueBroker, redis: Redis) -> None:
    await honest(broker)
    put(redis, definition(every_ms=100))
    redis.hset(f"{P}paused", "bad", "{")
    ticker = Ticker(broker)
    await asyncio.sleep(0.1)
    await ticker.fire(await ticker.read_due())
    assert jobs_of(redis, "good") >= 1
    skipped = {e.fields["schedule"]: e.fields["reason"] for e in events(redis, "job.skipped")}
    assert skipped == {"bad": "paused"}, "a pause that can't be read is a pause without an end"


@pytest.mark.parametrize("stored", ["{", "5", '{"limit":"x"}', '{"limit":1,"task":"t"}'])
async def test_a_damaged_backfill_is_over_and_the_others_go_on(
    broker: QueueBroker, redis: Redis, stored: str
) -> None:
    await honest(broker)
    redis.hset(f"{P}backfills", "bad", stored)
    redis.rpush(f"{P}backfill:bad", '[1,"x"]')
    await broker.schedules.backfill("good", "t", "[[],{}]", 10, [(1000, "good@1"), (2000, "good@2")])
    redis.lpush(f"{P}backfill:good", "{", "5", '["x",1]')
    for key in await broker.schedules.backfills():
        await broker.schedules.fill_backfill(key, 100)
    assert await broker.schedules.backfills() == ["good"]
    assert redis.exists(f"{P}job:good@1", f"{P}job:good@2") == 2


async def test_a_damaged_declarer_is_none(broker: QueueBroker, redis: Redis) -> None:
    redis.hset(f"{P}declarers", "t", "{")
    rule = make_schedule(every(hours=1), key="t", task="t", now=await broker.now())
    declarer = Declarer(born=await broker.now())
    assert await broker.declarations.declare([TaskDefinition(name="t")], [rule], declarer) == 1


@kinds
async def test_code_replaces_it(broker: QueueBroker, redis: Redis, stored: str | bytes) -> None:
    put(redis, stored, "t")
    rule = make_schedule(every(hours=1), key="t", task="t", now=await broker.now())
    await broker.declarations.declare([TaskDefinition(name="t")], [rule], Declarer(born=await broker.now()))
    found = await broker.schedules.find("t")
    assert found is not None
    assert found[0].every_ms == 3_600_000
    assert (redis.zscore(f"{P}due", "t") or 0) > to_ms(await broker.now())
    slots = [e for e in events(redis, "job.skipped") if e.fields["schedule"] == "t"]
    assert [e.fields["reason"] for e in slots] == ["unreadable"], "the slot that is known has its row"


async def test_an_override_of_another_version_stays_until_the_code_changes(
    broker: QueueBroker, redis: Redis
) -> None:
    now = await broker.now()
    rule = make_schedule(every(hours=1), key="t", task="t", now=now)
    task = [TaskDefinition(name="t")]
    await broker.declarations.declare(task, [rule], Declarer(born=now))
    stored = json.loads(redis.hget(f"{P}schedules", "t") or "")
    override = {"key": "t", "task": "t", "cron": "0 1 * * *", "timezone": "Mars/Phobos"}
    text = json.dumps({**override, "declared": stored["declared"]})
    redis.hset(f"{P}schedules", "t", text)
    await broker.declarations.declare(task, [rule], Declarer(born=now))
    assert redis.hget(f"{P}schedules", "t") == text
    other = make_schedule(every(hours=2), key="t", task="t", now=now)
    await broker.declarations.declare(task, [other], Declarer(born=now))
    assert '"every_ms":7200000' in str(redis.hget(f"{P}schedules", "t"))


@kinds
async def test_people_replace_pause_and_remove_it(
    app: Infinitas, broker: QueueBroker, redis: Redis, stored: str | bytes
) -> None:
    put(redis, stored)
    info = await app.schedules.aget("bad")
    assert info.unreadable or isinstance(stored, bytes)
    assert info.schedule.key == "bad"
    paused = await app.schedules.apause("bad", "why")
    assert paused.paused is not None
    await app.schedules.aresume("bad")
    assert await app.schedules.askip_next("bad", 2)
    await app.schedules.askip_next("bad", 0)
    await app.aschedule("t", every(hours=1), key="bad")
    assert (await app.schedules.aget("bad")).unreadable is None
    put(redis, stored)
    assert await app.aunschedule("bad") is True
    assert redis.hexists(f"{P}schedules", "bad") is False
    assert redis.zscore(f"{P}due", "bad") is None
    rows = events(redis, "job.skipped")
    assert [e.fields["reason"] for e in rows] == ["unreadable", "unscheduled"]


@pytest.mark.parametrize("score", ["inf", "-inf", 1.5, 1e18])
async def test_a_place_that_is_no_moment_is_replaced_and_removed(
    app: Infinitas, broker: QueueBroker, redis: Redis, score: float | str
) -> None:
    good = definition(every_ms=100)
    put(redis, good, score=score)
    await app.aschedule("t", every(hours=1), key="bad")
    assert 1e12 < (redis.zscore(f"{P}due", "bad") or 0) < 1e13
    put(redis, good, score=score)
    assert await app.aunschedule("bad") is True


async def test_a_zone_unknown_here_can_be_changed_and_triggered(
    app: Infinitas, broker: QueueBroker, redis: Redis
) -> None:
    put(redis, definition(cron="0 1 * * *", timezone="Mars/Phobos", args='[["x"],{}]'))
    job = await app.schedules.atrigger("bad")
    assert (await app.afetch_job(job.id)).args == ["x"]
    with pytest.raises(BadSchedule, match="Mars/Phobos"):
        await app.schedules.achange("bad", overlap="queue")
    changed = await app.schedules.achange("bad", timezone="Europe/Oslo")
    assert (changed.unreadable, changed.schedule.cron) == (None, "0 1 * * *")
    put(redis, definition())
    with pytest.raises(BadSchedule, match="one rule"):
        await app.schedules.atrigger("bad")
    with pytest.raises(BadSchedule, match="one rule"):
        await app.schedules.achange("bad", "0 1 * * *")


@kinds
async def test_replanner_watch_and_sync_pass_it(
    make_app: Callable[..., Infinitas], broker: QueueBroker, redis: Redis, stored: str | bytes
) -> None:
    now = await broker.now()
    rule = make_schedule("0 1 * * *", key="good", task="t", now=now, origin="api")
    await broker.schedules.schedule([rule], now)
    right = redis.zscore(f"{P}due", "good") or 0
    redis.zadd(f"{P}due", {"good": right + 60_000})
    put(redis, stored, score=to_ms(now) - 120_000)
    await Replanner(broker, "2025a").replan()
    assert await Replanner(broker, "2026a").replan() == 1
    assert redis.zscore(f"{P}due", "good") == right

    assert await OverdueMonitor(broker).check() == 1
    assert [e.fields["schedule"] for e in events(redis, "schedule.missed")] == ["bad"]

    app = make_app()

    @app.task(name="bad", schedule="0 2 * * *")
    def bad() -> None: ...

    client = app.client.open()
    assert isinstance(client, RedisClient)
    plan = await plan_sync(app.registry, client)
    change = next(each for each in plan.schedules if each.key == "bad")
    assert change.kind is ChangeKind.UNREADABLE
    assert change.why
    await client.close()


async def test_the_watch_goes_on_by_corrupt_graces_and_far_scores(broker: QueueBroker, redis: Redis) -> None:
    for i, stored in enumerate(["{", "5", '"x"', '{"grace_ms":"x"}', '{"grace_ms":null}', "[]"]):
        put(redis, stored, f"k{i}", to_ms(await broker.now()) - 120_000)
    redis.zadd(f"{P}due", {"k0": 1e18})
    redis.zadd(f"{P}expected", {"far": 1e18, "none": 1.0})
    assert await OverdueMonitor(broker).check() == 5


def test_the_connection_reads_what_is_no_utf8(servers: Urls) -> None:
    """The digest of such a definition is Redis' own, so that it can be replaced at all."""

    async def run() -> None:
        connection = Connection(servers.redis, "test")
        broker = QueueBroker(connection, "default")
        await connection.command("hset", f"{P}schedules", "x", UNREADABLE["no UTF-8"])
        await connection.command("zadd", f"{P}due", {"x": 1.0})
        found = (await broker.schedules.due(1, "x")).found[0]
        assert len(found.seen) == 40
        await connection.close()

    asyncio.run(run())


async def test_a_schedule_that_is_removed_leaves_no_hole_in_what_is_due(
    broker: QueueBroker, redis: Redis
) -> None:
    """The place behind it is kept by score and count; the schedule after it must not be passed over."""
    await honest(broker)
    put(redis, definition())
    ticker = Ticker(broker)
    for _ in range(3):
        await ticker.fire(await ticker.read_due())
    redis.zrem(f"{P}due", "bad")
    redis.hdel(f"{P}schedules", "bad")
    fired = jobs_of(redis, "good")

    async def fires() -> bool:
        await ticker.fire(await ticker.read_due())
        return jobs_of(redis, "good") > fired

    await aeventually(fires)
