"""One record that can't be read or changed: it ends or is left alone with an event, and the others go on."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.answers import ALREADY, APPLIED, GONE, Settled
from infinitas.broker.messages import Report, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.broker.reconcile import Reconciliation
from infinitas.core.states import Reason, State
from infinitas.core.verdict import Verdict
from infinitas.scheduler.reconciler import Reconciler
from infinitas.scheduler.rescuer import Rescuer
from tests.broker.test_jobs import HOURLY, MS, SLOT, claimed, fire, new, settlement
from tests.support import events

P = "{infinitas:default}:"
AT_ONCE = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=0)
OVERDUE = Verdict(state=State.RETRYING, reason=Reason.TIMED_OUT, error="e", delay_ms=0)


def reconciler(broker: QueueBroker) -> Reconciler:
    return Reconciler(Reconciliation(broker.connection, "default"), 60, pause_factor=0)


def spoil(redis: Redis, job: str) -> None:
    redis.delete(f"{P}job:{job}")
    redis.set(f"{P}job:{job}", "not a hash")


def named(redis: Redis, kind: str) -> list[str]:
    return [event.fields["job"] for event in events(redis, kind)]


@pytest.mark.parametrize(("field", "value"), [("headers", "{"), ("due", "1.5")])
async def test_a_job_that_no_worker_can_read_fails(
    broker: QueueBroker, redis: Redis, field: str, value: str
) -> None:
    await broker.jobs.enqueue([new("bad"), new("good")])
    redis.hset(f"{P}job:bad", field, value)
    assert [job.id for job in await claimed(broker, limit=5)] == ["good"]
    assert redis.hmget(f"{P}job:bad", "state", "reason") == ["failed", "bad_args"]
    assert [job.id for job in await broker.jobs.list_held("w1", "look")] == ["good"]


@pytest.mark.damages
async def test_a_key_of_another_type_stops_no_edge(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("bad"), new("good")])
    await claimed(broker, limit=2)
    spoil(redis, "bad")
    both = [("bad", 1), ("good", 1)]
    assert (await broker.workers.beat("w1", both, 60)).lost == ["bad"]
    reports = [Report(job=id, attempt=1, lines="[]") for id, _ in both]
    assert await broker.jobs.report("w1", reports, 60) == ["stale", "ok"]
    assert await broker.waits.await_end(["bad", "good"]) == [False, True]
    redis.hset(f"{P}live", "s", "bad")
    redis.zadd(f"{P}later", {"bad": 1})
    await broker.rewind("0", 100)
    await reconciler(broker).reconcile()
    assert await broker.jobs.settle("w1", [settlement(id, 1) for id, _ in both]) == [GONE, APPLIED]
    assert redis.xlen(f"{P}stream:t") == 0


@pytest.mark.damages
async def test_an_item_that_is_refused_takes_nothing_from_the_others(
    broker: QueueBroker, redis: Redis
) -> None:
    await broker.schedules.schedule([HOURLY], SLOT - MS)
    await broker.schedules.fire([fire()])
    await broker.jobs.enqueue([new("before"), new("after")])
    slot = next(job.id for job in await claimed(broker, limit=3) if job.schedule)
    redis.delete(f"{P}live")
    redis.set(f"{P}live", "not a hash")
    answers = await broker.jobs.settle("w1", [settlement(id, 1) for id in ("before", slot, "after")])
    assert [answer.result for answer in answers] == [Settled.APPLIED, Settled.REFUSED, Settled.APPLIED]
    assert {"before", "after"} <= set(named(redis, "job.succeeded"))


async def test_counters_and_entries_that_cannot_be_read(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("counter"), new("entry"), new("good")])
    await claimed(broker, limit=3)
    redis.hset(f"{P}job:counter", "crashes", "abc")
    redis.hset(f"{P}job:entry", "entry", "nonsense")
    ends = [settlement("entry", 1), settlement("good", 1)]
    assert await broker.jobs.settle("w1", ends) == [APPLIED, APPLIED]
    assert await broker.workers.rescue_all("w1", 1, 60) == 2
    assert redis.hmget(f"{P}job:counter", "state", "crashes") == ["queued", "1"]


@pytest.mark.damages
async def test_a_worker_whose_rescue_fails_keeps_no_other_from_being_rescued(
    broker: QueueBroker, redis: Redis
) -> None:
    await broker.jobs.enqueue([new("a")])
    await claimed(broker, "w2")
    redis.delete(f"{P}cancels:w1")
    redis.hset(f"{P}members", "w1", '["t", "u"]')
    redis.set(f"{P}lingering:u", "not a set")
    clock = iter(range(0, 1000, 1))
    rescuer = Rescuer(broker, 0.05, 60, lambda: next(clock) / 100)
    for _ in range(40):
        await rescuer.run_once()
    assert redis.hget(f"{P}job:a", "state") == "queued"


async def test_marks_and_counts_that_cannot_be_read_stop_no_step(broker: QueueBroker, redis: Redis) -> None:
    await broker.schedules.schedule([HOURLY], await broker.now())
    redis.zrem(f"{P}due", "t")
    redis.hset(f"{P}marks", "t", "9" * 20)
    redis.hset(f"{P}runs", "t", "abc")
    await broker.jobs.enqueue([new("lost")])
    redis.delete(f"{P}stream:t")
    assert (await reconciler(broker).reconcile())["unqueued"] == 1


async def test_a_job_without_a_hash_ends_with_an_event(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new(id) for id in ("claimed", "retried", "settled", "rescued")])
    redis.delete(f"{P}job:claimed")
    assert len(await claimed(broker, limit=10)) == 3
    await broker.jobs.settle("w1", [settlement("retried", 1, AT_ONCE)])
    redis.delete(f"{P}job:retried", f"{P}job:settled", f"{P}job:rescued")
    await broker.jobs.promote(10, 60)
    assert await broker.jobs.settle("w1", [settlement("settled", 1)]) == [GONE]
    await broker.workers.rescue_all("w1", 1, 60)
    assert named(redis, "entry.without_job") == ["claimed", "retried", "settled", "rescued"]


async def test_the_end_of_lingering_code_may_come_first(broker: QueueBroker, redis: Redis) -> None:
    """The watchdog sends the end over a connection of its own."""
    await broker.jobs.enqueue([new("j")])
    await claimed(broker)
    over = Settlement("j", 1, Verdict(state=State.FAILED, reason=Reason.TIMED_OUT, error="e"), 60, over="t")
    assert await broker.jobs.settle("w1", [over]) == [APPLIED]
    lingers = Settlement("j", 1, over.verdict, 60, lingers=True)
    assert await broker.jobs.settle("w1", [lingers]) == [ALREADY]
    assert redis.hget(f"{P}job:j", "state") == "failed"
    assert redis.ttl(f"{P}job:j") > 0
    assert not redis.exists(f"{P}lingering:t")


async def test_a_retry_that_succeeds_frees_nothing_while_the_first_try_goes_on(
    broker: QueueBroker, redis: Redis
) -> None:
    await broker.schedules.schedule([HOURLY], SLOT - timedelta(hours=1))
    redis.zadd(f"{P}due", {"t": int(SLOT.timestamp() * 1000)})
    await broker.schedules.fire([fire()])
    (first,) = await claimed(broker)
    await broker.jobs.settle("w1", [Settlement(first.id, 1, OVERDUE, 60, lingers=True)])
    await broker.jobs.promote(10, 60)
    (again,) = await claimed(broker, "w2")
    assert await broker.jobs.settle("w2", [settlement(again.id, 2)]) == [APPLIED]
    live: Any = redis.hgetall(f"{P}live")
    assert live == {"t": first.id}
    await broker.jobs.settle("w1", [Settlement(first.id, 1, OVERDUE, 60, over="t")])
    assert not redis.exists(f"{P}live")
    assert redis.ttl(f"{P}job:{first.id}") > 0
