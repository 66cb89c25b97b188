"""A thread can't be stopped: its code counts as running until it returns, even if its job has ended."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis

from infinitas import Infinitas
from infinitas.broker.answers import APPLIED, NEW, taken
from infinitas.broker.messages import Declarer, NewJob, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.broker.reconcile import Reconciliation
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.scheduler.reconciler import Reconciler
from tests.broker.test_jobs import HOURLY, MS, SLOT, claimed, fire
from tests.support import aeventually, finished, running

P = "{infinitas:default}:"
TIMED_OUT = Verdict(state=State.FAILED, reason=Reason.TIMED_OUT, error="e")
LINGERS = Settlement("j", 1, TIMED_OUT, 60, lingers=True)
OVER = Settlement("j", 1, TIMED_OUT, 60, over="t")
KEYED = NewJob(id="j", task="t", args="[[],{}]", key="k")
AGAIN = NewJob(id="again", task="t", args="[[],{}]", key="k")


class Gate:
    """Code that runs until the gate opens; counts how many ran at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.now = self.most = self.began = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.now += 1
            self.began += 1
            self.most = max(self.most, self.now)
        self.open.wait(60)
        with self._lock:
            self.now -= 1


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.mark.parametrize("retries", [0, 1])
async def test_max_running_counts_threads_out_of_time(app: Infinitas, gate: Gate, retries: int) -> None:
    @app.task(max_running=1, timeout=0.2, retries=retries, retry_delay=0.01)
    def stuck() -> None:
        gate()

    @app.task(timeout=60)
    async def honest() -> None: ...

    async with running(app.configure(concurrency=4), scheduler=True):
        first = await stuck.asend()
        others = [await stuck.asend() for _ in range(3)]

        async def timed_out() -> bool:
            job = await app.afetch_job(first.id)
            return job.attempt > 0 and job.state != "running"

        await aeventually(timed_out)
        for _ in range(3):
            await finished(app, await honest.asend())
        assert (gate.most, gate.began) == (1, 1)
        gate.open.set()
        for handle in others:
            await finished(app, handle)
    assert gate.most == 1
    assert gate.began > 3


async def test_a_key_and_a_slot_wait_for_lingering_code(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([KEYED])
    await claimed(broker)
    assert await broker.jobs.settle("w1", [LINGERS]) == [APPLIED]
    assert redis.hget(f"{P}job:j", "state") == "failed"
    assert await broker.jobs.enqueue([AGAIN]) == [taken("j")]
    assert redis.ttl(f"{P}job:j") == -1
    assert await broker.jobs.settle("w1", [OVER, OVER]) == [APPLIED, APPLIED]
    assert await broker.jobs.enqueue([AGAIN]) == [NEW]
    assert redis.ttl(f"{P}job:j") > 0
    assert not redis.keys(f"{P}lingering:*")


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
async def test_the_next_slot_does_not_run_beside_it(broker: QueueBroker, redis: Redis, overlap: str) -> None:
    rule = replace(HOURLY, overlap=overlap)
    await broker.schedules.schedule([rule], SLOT - MS)
    await broker.schedules.fire([fire(rule)])
    job = (await claimed(broker))[0]
    lingers = Settlement(job.id, 1, TIMED_OUT, 60, lingers=True)
    assert await broker.jobs.settle("w1", [lingers]) == [APPLIED]
    following = rule.next_after(SLOT)
    assert following is not None
    await broker.schedules.fire([fire(rule, following)])
    assert await claimed(broker, "w2") == []
    await broker.jobs.settle("w1", [Settlement(job.id, 1, TIMED_OUT, 60, over="t")])
    assert len(await claimed(broker, "w2")) == (0 if overlap == "skip" else 1)


async def reconcile(broker: QueueBroker) -> None:
    """Two passes: the second mends what the first only suspected."""
    reconciler = Reconciler(Reconciliation(broker.connection, "default"), 60, pause_factor=0)
    await reconciler.reconcile()
    await reconciler.reconcile()


async def test_the_reconciler_leaves_jobs_that_wait_for_lingering_code(
    broker: QueueBroker, redis: Redis
) -> None:
    rule = replace(HOURLY, overlap="queue")
    await broker.schedules.schedule([rule], SLOT - MS)
    await broker.schedules.fire([fire(rule)])
    job = (await claimed(broker))[0]
    await broker.jobs.settle("w1", [Settlement(job.id, 1, TIMED_OUT, 60, lingers=True)])
    following = rule.next_after(SLOT)
    assert following is not None
    await broker.schedules.fire([fire(rule, following)])
    await broker.jobs.enqueue([KEYED])
    await claimed(broker)
    await broker.jobs.settle("w1", [LINGERS])
    await reconcile(broker)
    assert await broker.jobs.enqueue([AGAIN]) == [taken("j")]
    assert await claimed(broker, "w2") == []


async def test_the_reconciler_ends_lingering_code_of_a_dead_worker(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([KEYED])
    await claimed(broker)
    await broker.jobs.settle("w1", [LINGERS])
    redis.hdel(f"{P}members", "w1")
    redis.zrem(f"{P}beats", "w1")
    await reconcile(broker)
    assert not redis.keys(f"{P}lingering:*")
    assert await broker.jobs.enqueue([AGAIN]) == [NEW]


@pytest.mark.parametrize("how", ["leave", "rescue"])
async def test_lingering_code_ends_with_its_process(broker: QueueBroker, redis: Redis, how: str) -> None:
    limited = TaskDefinition(name="t", max_running=1)
    await broker.declarations.declare([limited], [], Declarer(born=SLOT))
    await broker.jobs.enqueue([KEYED])
    await claimed(broker)
    await broker.jobs.settle("w1", [LINGERS])
    await broker.jobs.enqueue([NewJob(id="next", task="t", args="[[],{}]")])
    assert await claimed(broker, "w2") == []
    if how == "leave":
        assert await broker.workers.leave("w1", 60)
    else:
        await broker.workers.rescue_all("w1", 1, 60)
    assert await broker.waits.for_bell(["t"], 1), "max_running is free"
    assert [job.id for job in await claimed(broker, "w2")] == ["next"]
    assert await broker.jobs.enqueue([AGAIN]) == [NEW]
