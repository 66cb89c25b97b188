"""Why a job does not run yet: each cause as the scripts bring it about."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from infinitas.broker.inspect.jobs import find_job
from infinitas.broker.inspect.waiting import find_waiting
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.core.schedule import Schedule
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.core.waiting import Cause, Waiting
from tests.broker.test_jobs import HOURLY, SLOT, P, claimed, fire, new, settlement

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def workers(broker: QueueBroker, redis: Redis) -> None:
    """The facts of the two members: two places each, all free."""
    for worker in ("w1", "w2"):
        set_busy(redis, worker, 0)


def set_busy(redis: Redis, worker: str, busy: int) -> None:
    facts = {
        "capacity": 2,
        "busy": busy,
        "tasks": '["t"]',
        "queues": '["default"]',
        "started": 1,
        "last_beat": 1,
    }
    redis.hset(f"infinitas:worker:{worker}", mapping=facts)  # type: ignore[arg-type]
    redis.expire(f"infinitas:worker:{worker}", 60)


def jobs_in(redis: Redis) -> list[str]:
    return [str(key).partition(":job:")[2] for key in redis.keys("*:job:*")]


async def why(broker: QueueBroker, id: str) -> Waiting:
    found = await look(broker, id)
    assert found is not None
    return found


async def look(broker: QueueBroker, id: str) -> Waiting | None:
    job = await find_job(broker.connection, id)
    assert job is not None
    return await find_waiting(broker.connection, job)


async def limit(broker: QueueBroker, redis: Redis, **options: object) -> None:
    """Declare `t` with other options."""
    redis.hdel(f"{P}tasks", "t")
    await broker.declarations.declare([TaskDefinition(name="t", **options)], [])  # type: ignore[arg-type]


async def test_ready(broker: QueueBroker) -> None:
    await broker.jobs.enqueue([new("a"), new("b")])
    assert ((await why(broker, "a")).code, (await why(broker, "a")).ahead) == (Cause.READY, 0)
    found = await why(broker, "b")
    assert (found.code, found.ahead) == (Cause.READY, 1)
    assert found.since is not None
    assert abs(found.since - await broker.now()) < MINUTE


async def test_running_and_ended_jobs_wait_for_nothing(broker: QueueBroker) -> None:
    await broker.jobs.enqueue([new("a")])
    await claimed(broker)
    assert await look(broker, "a") is None
    await broker.jobs.settle("w1", [settlement("a", 1)])
    assert await look(broker, "a") is None


async def test_scheduled(broker: QueueBroker) -> None:
    due = datetime(2099, 1, 1, tzinfo=UTC)
    await broker.jobs.enqueue([NewJob(id="a", task="t", args="[[],{}]", due=due)])
    found = await why(broker, "a")
    assert (found.code, found.until) == (Cause.SCHEDULED, due)
    job = await find_job(broker.connection, "a")
    assert job is not None
    assert found.since == job.created


async def test_retry_delay(broker: QueueBroker) -> None:
    await broker.jobs.enqueue([new("a")])
    await claimed(broker)
    await broker.jobs.settle("w1", [settlement("a", 1, Verdict(state=State.RETRYING, delay_ms=60_000))])
    found = await why(broker, "a")
    assert found.code is Cause.RETRY_DELAY
    assert found.since is not None
    assert found.until == found.since + MINUTE


async def test_no_worker(broker: QueueBroker, redis: Redis) -> None:
    redis.zadd(f"{P}processors", {"t": 1_000})
    await broker.jobs.enqueue([new("a")])
    found = await why(broker, "a")
    assert (found.code, found.until) == (Cause.NO_WORKER, None)
    redis.zrem(f"{P}processors", "t")
    assert (await why(broker, "a")).code is Cause.NO_WORKER, "there was never one"


async def test_a_slots_job_without_a_worker_is_offered_again(broker: QueueBroker, redis: Redis) -> None:
    redis.zadd(f"{P}processors", {"t": 1_000})
    await broker.schedules.schedule([HOURLY], SLOT - timedelta(minutes=1))
    (fired,) = [fire()]
    assert await broker.schedules.fire([fired]) == [True]
    (id,) = jobs_in(redis)
    found = await why(broker, id)
    assert found.code is Cause.NO_WORKER
    assert found.until is not None


async def test_overlap(broker: QueueBroker, redis: Redis) -> None:
    rule = Schedule(key="t", task="t", every_ms=3_600_000, origin="api", overlap="queue")
    await broker.schedules.schedule([rule], SLOT - timedelta(minutes=1))
    assert await broker.schedules.fire([fire(rule)]) == [True]
    following = rule.next_after(SLOT)
    assert following is not None
    assert await broker.schedules.fire([fire(rule, following)]) == [True]
    states = {id: redis.hget(f"{P}job:{id}", "state") for id in jobs_in(redis)}
    (first,) = (id for id, state in states.items() if state == "queued")
    (second,) = (id for id, state in states.items() if state == "scheduled")
    found = await why(broker, second)
    assert (found.code, found.behind) == (Cause.OVERLAP, first)


async def test_max_running(broker: QueueBroker, redis: Redis) -> None:
    await limit(broker, redis, max_running=1)
    await broker.jobs.enqueue([new("a"), new("b")])
    await claimed(broker, limit=5)
    found = await why(broker, "b")
    assert (found.code, found.limit, found.ahead) == (Cause.MAX_RUNNING, 1, 0)
    await broker.jobs.settle("w1", [settlement("a", 1)])
    assert (await why(broker, "b")).code is Cause.READY
    redis.sadd(f"{P}lingering:t", "w1 1 a")
    assert (await why(broker, "b")).code is Cause.MAX_RUNNING, "code that goes on counts"


async def test_rate(broker: QueueBroker, redis: Redis) -> None:
    await limit(broker, redis, rate="2/m")
    await broker.jobs.enqueue([new("a"), new("b"), new("c")])
    assert (await why(broker, "c")).code is Cause.READY
    await claimed(broker, limit=5)
    found = await why(broker, "c")
    assert (found.code, found.limit) == (Cause.RATE, 2)
    assert found.until is not None
    assert timedelta() < found.until - await broker.now() <= MINUTE
    redis.lset(f"{P}starts:t", 0, "1")
    assert (await why(broker, "c")).code is Cause.READY


async def test_busy(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("a"), new("b"), new("c")])
    for worker in ("w1", "w2"):
        set_busy(redis, worker, 2)
    found = await why(broker, "c")
    assert (found.code, found.ahead) == (Cause.BUSY, 2)
    set_busy(redis, "w2", 1)
    assert (await why(broker, "c")).code is Cause.READY
    redis.hset("infinitas:worker:w2", "tasks", '["other"]')
    assert (await why(broker, "c")).code is Cause.BUSY, "a worker of other tasks has no place for it"


async def test_what_holds_back_first_is_named(broker: QueueBroker, redis: Redis) -> None:
    await limit(broker, redis, max_running=1, rate="1/m")
    await broker.jobs.enqueue([new("a"), new("b")])
    await claimed(broker, limit=5)
    set_busy(redis, "w1", 9)
    assert (await why(broker, "b")).code is Cause.MAX_RUNNING
    await broker.jobs.settle("w1", [settlement("a", 1)])
    assert (await why(broker, "b")).code is Cause.RATE
    redis.zadd(f"{P}processors", {"t": 1_000})
    assert (await why(broker, "b")).code is Cause.NO_WORKER


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [("limits", "t", "nonsense"), ("limits", "t", "[]"), ("limits", "t", json.dumps({"rate": "x"})),
     ("job:a", "entry", "x"), ("job:a", "wait", "x")],
)  # fmt: skip
async def test_what_cannot_be_read_is_left_out(
    broker: QueueBroker, redis: Redis, key: str, field: str, value: str
) -> None:
    await broker.jobs.enqueue([new("a")])
    redis.hset(f"{P}{key}", field, value)
    assert (await why(broker, "a")).code in (Cause.READY, Cause.BUSY)


async def test_keys_of_another_type(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("a")])
    for key in ("stream:t", "lingering:t", "starts:t", "later"):
        redis.delete(f"{P}{key}")
        redis.set(f"{P}{key}", "x")
    assert (await why(broker, "a")).code is Cause.READY
    redis.flushall()
