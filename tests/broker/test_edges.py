"""Each edge of the state machine on a real Redis: what it writes, and that it may run twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.broker import Broker, Report, Settlement
from infinitas.broker.connection import Connection
from infinitas.broker.workers import leave
from infinitas.core.codec import to_ms
from infinitas.core.planner import Fire
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.embedded.servers import Urls

P = "{infinitas:default}:"
TASK = TaskDefinition(name="t")
SLOT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def broker(servers: Urls, redis: Redis) -> Any:
    connection = Connection(servers.redis, "test")
    broker = Broker(connection, "default")
    await broker.declare([TASK], [], await broker.now())
    yield broker
    await connection.close()


async def claimed(broker: Broker, worker: str = "w1", limit: int = 1) -> list[Any]:
    return (await broker.claim(worker, ["t"], limit, 0))[1]


def kinds(redis: Redis) -> list[str]:
    entries: Any = redis.xrange(f"{P}events")
    return [fields["type"] for _, fields in entries]


def fire(slot: datetime = SLOT, next_slot: datetime | None = SLOT + timedelta(hours=1)) -> Fire:
    return Fire(
        schedule="t",
        task="t",
        slot=slot,
        next_slot=next_slot,
        job=f"t@{to_ms(slot)}",
        args="[[],{}]",
    )


async def test_enqueue_twice_is_one_job(broker: Broker, redis: Redis) -> None:
    assert await broker.enqueue([("j", "t", "[[],{}]")]) == ["new"]
    assert await broker.enqueue([("j", "t", "[[],{}]")]) == ["known"]
    assert redis.xlen(f"{P}stream:t") == 1
    assert redis.llen(f"{P}bell:t") == 1
    assert kinds(redis) == ["task.declared", "job.created"]


async def test_an_unknown_task_stores_nothing(broker: Broker, redis: Redis) -> None:
    assert await broker.enqueue([("j", "other", "[[],{}]")]) == ["unknown_task"]
    assert not redis.exists(f"{P}job:j", f"{P}stream:other")


async def test_claim_marks_running_and_clears_the_bell(broker: Broker, redis: Redis) -> None:
    await broker.enqueue([("a", "t", "[[1],{}]"), ("b", "t", "[[2],{}]")])
    more, jobs = await broker.claim("w1", ["t"], 1, 0)
    assert more
    assert [(job.id, job.attempt, job.args) for job in jobs] == [("a", 1, "[[1],{}]")]
    more, jobs = await broker.claim("w2", ["t"], 5, 0)
    assert not more
    assert [job.id for job in jobs] == ["b"]
    assert not redis.exists(f"{P}bell:t")
    assert redis.hget(f"{P}job:b", "state") == "running"
    assert redis.hget(f"{P}job:b", "worker") == "w2"


async def test_claim_takes_no_more_than_its_limit_over_several_tasks(broker: Broker, redis: Redis) -> None:
    await broker.declare([TaskDefinition(name="u")], [], await broker.now())
    await broker.enqueue([(f"{task}{i}", task, "[[],{}]") for task in "tu" for i in range(5)])
    more, jobs = await broker.claim("w", ["t", "u"], 7, 1)
    assert more
    assert sorted(job.id for job in jobs) == ["t0", "t1", "u0", "u1", "u2", "u3", "u4"]


async def test_settle_finishes_leaves_the_stream_and_may_run_twice(broker: Broker, redis: Redis) -> None:
    await broker.enqueue([("j", "t", "[[],{}]")])
    await claimed(broker)
    done = Settlement(job="j", attempt=1, verdict=Verdict(state=State.SUCCEEDED, result="42"))
    assert await broker.settle("w1", [done], 60) == ["ok"]
    assert await broker.settle("w1", [done], 60) == ["already"]
    assert redis.xlen(f"{P}stream:t") == 0
    pending: Any = redis.xpending(f"{P}stream:t", "workers")
    assert pending["pending"] == 0
    ttl: Any = redis.ttl(f"{P}job:j")
    assert 0 < ttl <= 60
    assert redis.hget(f"{P}task:t", "last_success") == "j"
    assert redis.hget(f"{P}task:t", "streak") == "1"
    assert kinds(redis).count("job.succeeded") == 1


async def test_only_the_current_attempt_settles(broker: Broker, redis: Redis) -> None:
    await broker.enqueue([("j", "t", "[[],{}]")])
    await claimed(broker, "zombie")
    assert await broker.release("zombie", [("j", 1)]) == 1
    assert [job.attempt for job in await claimed(broker, "healthy")] == [2]

    late = Settlement(job="j", attempt=1, verdict=Verdict(state=State.SUCCEEDED))
    thief = Settlement(job="j", attempt=2, verdict=Verdict(state=State.SUCCEEDED))
    assert await broker.settle("zombie", [late, thief], 60) == ["stale:running:", "stale:running:"]
    assert await broker.report("zombie", [Report(job="j", attempt=1, lines="[]")], 60) == ["stale"]
    assert redis.hget(f"{P}job:j", "state") == "running"
    assert kinds(redis).count("job.stale") == 2
    assert await broker.settle("healthy", [thief], 60) == ["ok"]


async def test_a_retry_waits_and_is_promoted(broker: Broker, redis: Redis) -> None:
    await broker.enqueue([("j", "t", "[[],{}]")])
    await claimed(broker)
    verdict = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=1)
    assert await broker.settle("w1", [Settlement(job="j", attempt=1, verdict=verdict)], 60) == ["ok"]
    assert redis.xlen(f"{P}wake") == 1
    assert redis.hmget(f"{P}job:j", "state", "error", "ended") == ["retrying", "e", None]
    promoted = 0
    while not promoted:
        promoted = (await broker.promote(10)).count
    assert [job.attempt for job in await claimed(broker)] == [2]
    assert redis.zcard(f"{P}later") == 0
    assert redis.hmget(f"{P}job:j", "state", "error", "reason") == ["running", None, None]


async def test_a_slot_fires_once_however_often_it_is_fired(broker: Broker, redis: Redis) -> None:
    schedule = Schedule(key="t", task="t", every_ms=3_600_000)
    await broker.schedule(schedule, SLOT)
    assert await broker.fire([fire()]) == [True]
    assert await broker.fire([fire()]) == [False]
    assert redis.xlen(f"{P}stream:t") == 1
    assert redis.zscore(f"{P}due", "t") == to_ms(SLOT + timedelta(hours=1))
    assert redis.hget(f"{P}marks", "t") == str(to_ms(SLOT))


async def test_the_last_slot_takes_its_schedule_along(broker: Broker, redis: Redis) -> None:
    await broker.schedule(Schedule(key="t", task="t", at_ms=to_ms(SLOT)), SLOT)
    assert await broker.fire([fire(next_slot=None)]) == [True]
    assert redis.hlen(f"{P}schedules") == redis.zcard(f"{P}due") == redis.hlen(f"{P}marks") == 0
    assert kinds(redis)[-2:] == ["schedule.removed", "job.created"]


async def test_a_removed_schedule_does_not_fire(broker: Broker, redis: Redis) -> None:
    await broker.schedule(Schedule(key="t", task="t", every_ms=1000), SLOT)
    assert await broker.unschedule("t")
    assert await broker.fire([fire()]) == [False]
    assert not redis.exists(f"{P}stream:t")


async def test_what_a_worker_holds_is_found_again(broker: Broker) -> None:
    """The reply to a claim may be lost; then Redis knows more than the worker."""
    await broker.enqueue([("j", "t", "[[7],{}]")])
    await claimed(broker, "w1")
    held = await broker.held("w1", ["t"])
    assert [(job.id, job.attempt, job.args) for job in held] == [("j", 1, "[[7],{}]")]
    assert await broker.held("w2", ["t"]) == []


async def test_a_flushed_redis_is_taken_up_from_the_start_of_the_stream(broker: Broker, redis: Redis) -> None:
    await claimed(broker)
    redis.flushall()
    await broker.declare([TASK], [], await broker.now())
    await broker.enqueue([("j", "t", "[[],{}]")])
    assert [job.id for job in await claimed(broker)] == ["j"]


async def test_streams_and_bells_stay_small(broker: Broker, redis: Redis) -> None:
    await broker.enqueue([(f"j{i}", "t", "[[],{}]") for i in range(300)])
    assert redis.llen(f"{P}bell:t") == 64
    jobs = await claimed(broker, limit=300)
    verdict = Verdict(state=State.SUCCEEDED)
    settled = [Settlement(job=job.id, attempt=1, verdict=verdict) for job in jobs]
    assert await broker.settle("w1", settled, 60) == ["ok"] * 300
    assert redis.xlen(f"{P}stream:t") == 0
    assert not redis.exists(f"{P}bell:t")
    assert redis.llen(f"{P}recent:t") == 10


async def test_leaving_never_drops_consumers_that_hold_jobs(broker: Broker, redis: Redis) -> None:
    """XGROUP DELCONSUMER would drop their pending jobs silently."""
    connection = broker.connection
    await broker.enqueue([("j", "t", "[[],{}]")])
    await claimed(broker, "busy")
    await claimed(broker, "idle")
    for worker in ("busy", "idle"):
        await leave(connection, worker, {"default": ["t", "never-existed"]})
    consumers: Any = redis.xinfo_consumers(f"{P}stream:t", "workers")
    assert [consumer["name"] for consumer in consumers] == ["busy"]
    assert [job.id for job in await broker.held("busy", ["t"])] == ["j"]
