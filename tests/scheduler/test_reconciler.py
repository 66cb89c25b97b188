"""What was deleted from Redis, or left behind by a defect, runs again or ends; the rest is not touched."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.answers import APPLIED, GONE, Revived, stale
from infinitas.broker.queue import QueueBroker
from infinitas.broker.reconcile import Reconciliation
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.scheduler import reconciler as module
from infinitas.scheduler.reconciler import Reconciler
from infinitas.scheduler.ticker import Ticker
from tests.broker.test_jobs import HOURLY, OK, claimed, fire, job_of, new, settlement
from tests.support import aeventually, events

P = "{infinitas:default}:"
HOUR = timedelta(hours=1)
RETRY = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=3_600_000)


@pytest.fixture
def reconciler(broker: QueueBroker) -> Reconciler:
    return Reconciler(Reconciliation(broker.connection, "default"), 60, 0)


def field(redis: Redis, id: str, name: str) -> Any:
    return redis.hget(f"{P}job:{id}", name)


async def run_all(broker: QueueBroker, worker: str = "w2") -> list[str]:
    """Claim and settle everything that is ready. Returns the ids."""
    jobs = await claimed(broker, worker, 1000)
    answers = await broker.jobs.settle(worker, [settlement(job.id, job.attempt) for job in jobs])
    assert answers == [APPLIED] * len(jobs)
    return sorted(job.id for job in jobs)


def nothing_is_left(redis: Redis) -> None:
    pending: Any = redis.xpending(f"{P}stream:t", "workers") if redis.exists(f"{P}stream:t") else None
    assert redis.xlen(f"{P}stream:t") == 0
    assert pending is None or pending["pending"] == 0
    assert redis.zcard(f"{P}later") == redis.hlen(f"{P}live") == redis.hlen(f"{P}keys:t") == 0


async def busy(broker: QueueBroker) -> None:
    """One job in each state that is not final."""
    await broker.jobs.enqueue([new("retrying"), new("running"), new("revived")])
    await claimed(broker, limit=3)
    failed = Verdict(state=State.FAILED, reason=Reason.ERROR, error="e")
    await broker.jobs.settle("w1", [settlement("retrying", 1, RETRY), settlement("revived", 1, failed)])
    assert (await broker.jobs.revive("revived")).result is Revived.REVIVED
    waits = replace(new("waits"), due=await broker.now() + HOUR)
    patient = replace(new("patient"), expires_s=3600, key="k")
    await broker.jobs.enqueue([waits, new("queued"), patient])


async def test_what_fits_together_is_left_alone(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    await busy(broker)
    await broker.schedules.schedule([HOURLY], await broker.now())
    before = {name: redis.dump(name) for name in redis.scan_iter() if "task:" not in name}
    assert await reconciler.reconcile() == await reconciler.reconcile() == {}
    after = {name: redis.dump(name) for name in redis.scan_iter() if "task:" not in name}
    assert before == after, "nothing at all is written"


async def test_a_lost_due_is_planned_again_from_the_high_water_mark(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    schedules = broker.schedules
    now = await broker.now()
    hourly = replace(
        HOURLY, anchor_ms=to_ms(now - 5 * HOUR - timedelta(minutes=5)), catch_up="all", overlap="allow"
    )
    once = Schedule(key="once", task="t", at_ms=to_ms(now + HOUR), origin="api")
    await schedules.schedule([hourly, once], now - 4 * HOUR)
    slot = redis.zscore(f"{P}due", "t")
    assert slot is not None
    await schedules.fire([fire(hourly, from_ms(int(slot)))])
    redis.delete(f"{P}due")
    assert await reconciler.reconcile() == {"unplanned_schedules": 2}
    assert redis.zscore(f"{P}due", "once") == once.at_ms
    assert redis.zscore(f"{P}due", "t") == slot + 3_600_000, "the slot after the last one that was fired"
    await Ticker(broker).run_once()
    assert redis.xlen(f"{P}stream:t") == 4, "slots in between were caught up with"
    assert "2 schedules without a next slot (" in caplog.text
    (event,) = events(redis, "queue.mended")
    assert event.fields["counts"] == '{"unplanned_schedules":2}'
    assert await reconciler.reconcile() == {}


async def test_a_schedule_that_is_over_stays_over(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    now = await broker.now()
    task = TaskDefinition(name="t")
    past = Schedule(key="t", task="t", at_ms=to_ms(now - HOUR))
    await broker.declarations.declare([task], [past])
    spent = replace(HOURLY, key="spent", max_runs=1)
    await broker.schedules.schedule([spent], now)
    redis.hset(f"{P}runs", "spent", 1)
    redis.zrem(f"{P}due", "spent")
    redis.hset(f"{P}schedules", "unreadable", "{")
    assert await reconciler.reconcile() == {}
    assert redis.zcard(f"{P}due") == 0


async def test_an_edit_meanwhile_wins(broker: QueueBroker, redis: Redis) -> None:
    edges = Reconciliation(broker.connection, "default")
    now = await broker.now()
    await broker.schedules.schedule([HOURLY], now)
    redis.delete(f"{P}due")
    _, (lost,) = await edges.unplanned("0", 100)
    redis.hset(f"{P}marks", "t", to_ms(now))
    assert await edges.plan_again([(lost, now)]) == []
    redis.hdel(f"{P}marks", "t")
    redis.hset(f"{P}schedules", "t", replace(HOURLY, jitter_ms=1).to_json())
    assert await edges.plan_again([(lost, now)]) == []


async def test_a_lost_later_is_built_again(broker: QueueBroker, reconciler: Reconciler, redis: Redis) -> None:
    await busy(broker)
    await broker.jobs.enqueue([replace(new("past"), due=await broker.now() + HOUR)])
    kept = dict(redis.zrange(f"{P}later", 0, -1, withscores=True))  # type: ignore[arg-type]
    redis.hset(f"{P}job:past", "due", 1)
    redis.delete(f"{P}later")
    assert await reconciler.reconcile() == {"unplanned": 3, "untimed": 1}
    del kept["past"]
    assert dict(redis.zrange(f"{P}later", 0, -1, withscores=True)) == kept  # type: ignore[arg-type]
    assert await run_all(broker) == ["past", "patient", "queued", "revived"]


async def test_a_lost_stream_is_built_again(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    await busy(broker)
    redis.delete(f"{P}stream:t", f"{P}bell:t")
    assert (await reconciler.reconcile())["unqueued"] == 3
    assert await run_all(broker) == ["patient", "queued", "revived"]
    await reconciler.reconcile()
    assert [job.id for job in await broker.jobs.list_held("w1")] == ["running"], "its worker has it as before"
    assert field(redis, "running", "attempt") == "1"
    assert await broker.jobs.settle("w1", [settlement("running", 1)]) == [APPLIED]
    assert redis.xlen(f"{P}stream:t") == 0


async def test_a_ready_job_rings(broker: QueueBroker, reconciler: Reconciler, redis: Redis) -> None:
    await broker.jobs.enqueue([new("queued")])
    redis.delete(f"{P}stream:t", f"{P}bell:t")
    await reconciler.reconcile()
    assert redis.lrange(f"{P}bell:t", 0, -1) == ["queued"]
    assert await reconciler.reconcile() == {}


async def test_what_the_group_has_passed_is_handed_out_again(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    await broker.jobs.enqueue([new("a"), new("b")])
    redis.xgroup_create(f"{P}stream:t", "workers", "0")
    redis.xreadgroup("workers", "reader", {f"{P}stream:t": ">"}, count=1)
    assert await reconciler.reconcile() == {"unqueued": 1}
    assert await run_all(broker) == ["a", "b"]
    nothing_is_left(redis)


async def test_deleted_jobs_leave_the_stream_and_the_limit(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    await broker.declarations.declare([TaskDefinition(name="t", max_running=1)], [], None)
    redis.hset(f"{P}limits", "t", '{"max_running":1}')
    await broker.jobs.enqueue([new("running"), new("queued"), new("honest")])
    await claimed(broker)
    redis.delete(f"{P}job:running", f"{P}job:queued", f"{P}bell:t")
    assert await claimed(broker, "w2") == [], "a place is taken by nothing"
    assert await reconciler.reconcile() == {"gone": 2}
    assert redis.exists(f"{P}bell:t")
    assert {event.fields["job"] for event in events(redis, "entry.without_job")} == {"running", "queued"}
    assert await run_all(broker) == ["honest"]
    assert await broker.jobs.settle("w1", [settlement("running", 1)]) == [GONE]
    nothing_is_left(redis)


async def test_a_deleted_slot_job_ends_as_lost_and_its_schedule_goes_on(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    slot = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    await broker.schedules.schedule([HOURLY], slot - HOUR)
    await broker.schedules.fire([fire(slot=slot)])
    (job,) = await claimed(broker)
    redis.delete(f"{P}job:{job.id}")
    assert await reconciler.reconcile() == {"gone": 1, "holders": 1}, "it was expected as well"
    (ended,) = events(redis, "job.failed")
    assert ended.fields["job"] == job.id
    assert (ended.fields["reason"], int(ended.fields["due"])) == ("lost", to_ms(slot))
    assert not redis.exists(f"{P}job:{job.id}"), "a retry takes the arguments from the archive"
    await broker.schedules.fire([fire(slot=slot + HOUR)])
    assert len(await claimed(broker)) == 1, "no overlap with what is gone"
    assert redis.zscore(f"{P}expected", job.id) is None


async def test_a_deleted_job_that_waited(broker: QueueBroker, reconciler: Reconciler, redis: Redis) -> None:
    await broker.jobs.enqueue([replace(new("sent"), due=await broker.now() + HOUR)])
    slot = (await broker.now()).replace(minute=0, second=0, microsecond=0)
    jitter = replace(HOURLY, jitter_ms=30_000_000_000)
    await broker.schedules.schedule([jitter], slot - HOUR)
    await broker.schedules.fire([fire(jitter, slot)])
    fired = job_of(fire(jitter, slot))
    assert redis.delete(f"{P}job:sent", f"{P}job:{fired}") == 2
    assert await reconciler.reconcile() == {"gone": 2, "holders": 1}
    assert [event.fields["job"] for event in events(redis, "entry.without_job")] == ["sent"]
    assert [event.fields["job"] for event in events(redis, "job.failed")] == [fired]
    nothing_is_left(redis)


@pytest.mark.parametrize("on_lost", ["retry", "fail"])
async def test_a_running_job_of_a_worker_that_is_gone(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis, on_lost: str
) -> None:
    """Its hash is `running`; no stream, no pending list and no rescue has it."""
    task = TaskDefinition(name="t", on_lost=on_lost)
    redis.hset(f"{P}tasks", "t", task.to_json())
    await broker.jobs.enqueue([new("limbo")])
    await claimed(broker)
    entry = field(redis, "limbo", "entry")
    redis.xack(f"{P}stream:t", "workers", entry)
    redis.xdel(f"{P}stream:t", entry)
    await broker.workers.rescue_all("w1", 1, 60)
    assert field(redis, "limbo", "state") == "running"
    assert await reconciler.reconcile() == {}, "once is not enough"
    assert await reconciler.reconcile() == {"abandoned": 1}
    if on_lost == "fail":
        assert (field(redis, "limbo", "state"), field(redis, "limbo", "reason")) == ("failed", "lost")
    else:
        assert [event.fields["attempt"] for event in events(redis, "job.lost")] == ["1"]
        (job,) = await claimed(broker, "w2")
        assert (job.attempt, job.uncharged, job.was_lost) == (2, 1, True)
        assert field(redis, "limbo", "crashes") is None, "nothing proves a crash"
        assert await broker.jobs.settle("w1", [settlement("limbo", 1)]) == [stale("running")]
        await broker.jobs.settle("w2", [settlement("limbo", 2)])
    nothing_is_left(redis)


async def test_a_worker_that_joins_again_is_not_robbed(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    redis.zrem(f"{P}beats", "w1")
    redis.hdel(f"{P}members", "w1")
    assert await reconciler.reconcile() == {}
    await broker.workers.join("w1", ["t"], 60)
    assert await reconciler.reconcile() == await reconciler.reconcile() == {}
    redis.zrem(f"{P}beats", "w1")
    redis.hdel(f"{P}members", "w1")
    assert await reconciler.reconcile() == {}, "seen once since"
    await broker.workers.join("w1", ["t"], 60)
    assert await broker.jobs.settle("w1", [settlement("j", 1)]) == [APPLIED]


async def test_a_requested_cancel_is_kept(broker: QueueBroker, reconciler: Reconciler, redis: Redis) -> None:
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    await broker.jobs.cancel(["j"], "why", 60)
    redis.delete(f"{P}beats", f"{P}members", f"{P}stream:t")
    await reconciler.reconcile()
    assert await reconciler.reconcile() == {"abandoned": 1}
    assert (field(redis, "j", "state"), field(redis, "j", "reason")) == ("cancelled", "why")


async def test_stale_holders_are_freed(broker: QueueBroker, reconciler: Reconciler, redis: Redis) -> None:
    await broker.jobs.enqueue([replace(new("done"), key="a"), replace(new("gone"), key="b")])
    await broker.jobs.enqueue([replace(new("lives"), key="c")])
    await claimed(broker, limit=2)
    await broker.jobs.settle("w1", [settlement("done", 1), settlement("gone", 1)])
    redis.delete(f"{P}job:gone")
    redis.hset(f"{P}keys:t", mapping={"a": "done", "b": "gone"})
    redis.hset(f"{P}live", mapping={"s1": "done", "s2": "gone", "s3": "lives"})
    redis.zadd(f"{P}expected", {"done": 1, "gone": 1, "lives": 1})
    assert await reconciler.reconcile() == {"holders": 5}
    assert redis.hgetall(f"{P}keys:t") == {"c": "lives"}
    assert redis.hgetall(f"{P}live") == {"s3": "lives"}
    assert redis.zrange(f"{P}expected", 0, -1) == ["done", "lives"]


async def in_line(broker: QueueBroker) -> tuple[str, str]:
    """A slot's job that runs, and the next one, which waits for it."""
    rule = replace(HOURLY, overlap="queue")
    slot = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    await broker.schedules.schedule([rule], slot - HOUR)
    await broker.schedules.fire([fire(rule, slot)])
    (before,) = await claimed(broker)
    await broker.schedules.fire([fire(rule, slot + HOUR)])
    return before.id, job_of(fire(rule, slot + HOUR))


async def test_a_job_in_line_waits_for_a_living_one(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    before, follower = await in_line(broker)
    assert await reconciler.reconcile() == await reconciler.reconcile() == {}
    redis.delete(f"{P}live")
    assert await reconciler.reconcile() == {"unled": 1}
    assert await reconciler.reconcile() == {}
    assert await broker.jobs.settle("w1", [settlement(before, 1)]) == [APPLIED]
    assert await run_all(broker) == [follower]
    nothing_is_left(redis)


async def test_a_job_in_line_behind_one_that_is_gone_becomes_ready(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    before, follower = await in_line(broker)
    redis.delete(f"{P}job:{before}")
    await reconciler.reconcile()
    await reconciler.reconcile()
    assert await run_all(broker) == [follower]
    assert field(redis, follower, "state") == "succeeded"
    nothing_is_left(redis)


@pytest.mark.parametrize("state", ["queued", "succeeded"])
async def test_an_entry_that_its_job_does_not_name_goes(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis, state: str
) -> None:
    """A second entry would hand the job out twice, or count for a job that is over."""
    await broker.jobs.enqueue([new("j")])
    if state == "succeeded":
        assert await run_all(broker) == ["j"]
    own = field(redis, "j", "entry")
    stray = redis.xadd(f"{P}stream:t", {"job": "j"})
    assert await reconciler.reconcile() == {"entries": 1}
    left: Any = redis.xrange(f"{P}stream:t")
    assert stray not in [entry for entry, _ in left]
    assert [event.fields["counts"] for event in events(redis, "queue.mended")] == ['{"entries":1}']
    if state == "queued":
        assert [entry for entry, _ in left] == [own]
        assert await run_all(broker) == ["j"]
    nothing_is_left(redis)


async def test_ghosts_of_the_pending_list_go(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis
) -> None:
    await broker.jobs.enqueue([new("a"), new("b")])
    await claimed(broker, limit=2)
    redis.delete(f"{P}job:a")
    redis.xtrim(f"{P}stream:t", maxlen=0, approximate=False)
    redis.hset(f"{P}limits", "t", '{"max_running":2}')
    redis.delete(f"{P}bell:t")
    assert await reconciler.reconcile() == {"entries": 2, "unheld": 1}
    assert redis.exists(f"{P}bell:t"), "a place is free"
    pending: Any = redis.xpending(f"{P}stream:t", "workers")
    assert pending["pending"] == 1
    assert [job.id for job in await broker.jobs.list_held("w1")] == ["b"]


async def test_everything_is_walked_in_pages(
    broker: QueueBroker, reconciler: Reconciler, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    monkeypatch.setattr(module, "KEYS_PER_SCAN", 10)
    names = sorted(f"j{i:03}" for i in range(100))
    await broker.jobs.enqueue([new(name) for name in names])
    await broker.jobs.enqueue([replace(new(f"gone{i}"), key=f"k{i}") for i in range(50)])
    redis.delete(*[f"{P}job:gone{i}" for i in range(50)])
    rules = [replace(HOURLY, key=f"s{i}") for i in range(60)]
    await broker.schedules.schedule(rules, await broker.now())
    redis.delete(f"{P}due")
    assert await reconciler.reconcile() == {"unplanned_schedules": 60, "gone": 50, "holders": 50}
    redis.delete(f"{P}stream:t")
    assert await reconciler.reconcile() == {"unqueued": 100}
    assert await run_all(broker) == names


async def test_under_load_nothing_honest_is_touched(broker: QueueBroker, redis: Redis) -> None:
    """Two workers claim, settle, retry, release and cancel while two reconcilers run without a pause."""
    ran: list[tuple[str, int]] = []
    total, chance = 600, random.Random(1)
    over = asyncio.Event()
    passes = 0

    async def work(worker: str) -> None:
        while not over.is_set():
            jobs = await claimed(broker, worker, chance.randint(1, 8))
            ran.extend((job.id, job.attempt) for job in jobs)
            released = [(job.id, job.attempt) for job in jobs if chance.random() < 0.1]
            await broker.jobs.release(worker, released, 60)
            verdicts = [OK, replace(RETRY, delay_ms=chance.randint(1, 5))]
            rest = [job for job in jobs if (job.id, job.attempt) not in released]
            outcomes = [settlement(job.id, job.attempt, chance.choices(verdicts, (4, 1))[0]) for job in rest]
            assert await broker.jobs.settle(worker, outcomes) == [APPLIED] * len(outcomes)
            await broker.jobs.promote(100, 60)

    async def send() -> None:
        for i in range(0, total, 5):
            later = await broker.now() + timedelta(milliseconds=chance.randint(1, 20))
            jobs = [replace(new(f"j{i + n}"), key=f"k{i + n}", expires_s=60) for n in range(4)]
            await broker.jobs.enqueue([*jobs, replace(new(f"j{i + 4}"), due=later)])
            if chance.random() < 0.2:
                await broker.jobs.cancel([f"j{i}"], "why", 60)

    async def fire_slots() -> None:
        rule = replace(HOURLY, overlap="queue")
        slot = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
        await broker.schedules.schedule([rule], slot - HOUR)
        for i in range(100):
            assert await broker.schedules.fire([fire(rule, slot + i * HOUR)]) == [True]

    async def reconcile() -> None:
        nonlocal passes
        own = Reconciler(Reconciliation(broker.connection, "default"), 60, 0)
        while not over.is_set():
            assert await own.reconcile() == {}
            passes += 1

    async def all_over() -> bool:
        if any(part.done() for part in parts):
            return True  # It failed.
        ids = [f"j{i}" for i in range(total)]
        return all(field(redis, id, "ended") for id in ids) and not redis.hlen(f"{P}live")

    parts = [asyncio.create_task(part) for part in (work("w1"), work("w2"), reconcile(), reconcile())]
    await asyncio.gather(send(), fire_slots())
    await aeventually(all_over, 60)
    over.set()
    await asyncio.gather(*parts)
    assert passes > 5
    assert len(ran) == len(set(ran)), "no attempt was begun twice"
    assert not events(redis, "queue.mended", "job.lost", "job.stale")
    nothing_is_left(redis)
