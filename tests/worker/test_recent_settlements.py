"""Redis comes back without its last second: by its account, jobs that had ended run again."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from infinitas import Infinitas, Job
from infinitas.broker.messages import ClaimedJob, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.states import State
from infinitas.core.verdict import Verdict
from infinitas.devservers.servers import Urls
from infinitas.worker import recent_settlements
from infinitas.worker.capacity import Capacity
from infinitas.worker.claimer import Claimer
from infinitas.worker.outbox import Outbox, ignore_answer
from tests.broker.test_jobs import claimed, new
from tests.support import aeventually, finished, running

P = "{infinitas:default}:"


def keys_of(url: str, job: str, task: str) -> dict[str, bytes]:
    raw: Any = Redis.from_url(url)
    kept = {key: raw.dump(key) for key in (f"{P}job:{job}", f"{P}stream:{task}")}
    raw.close()
    return kept


def lose_since(redis: Any, kept: dict[str, bytes]) -> None:
    """As a restart from an older file, or a replica that lagged: older values, and every connection ends."""
    pipe = redis.pipeline()
    for key, value in kept.items():
        pipe.delete(key)
        pipe.restore(key, 0, value)
    pipe.execute()
    redis.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize("busy", ["idle", "capacity is free", "no capacity is free"])
async def test_a_job_that_had_ended_is_settled_again_and_does_not_run_again(
    app: Infinitas, redis: Redis, servers: Urls, busy: str
) -> None:
    app.configure(lease=1, concurrency={"idle": 5, "capacity is free": 2, "no capacity is free": 1}[busy])
    ran: list[int] = []
    go, over = asyncio.Event(), asyncio.Event()

    @app.task(on_lost="fail")
    async def once(job: Job) -> str:
        ran.append(job.attempt)
        await go.wait()
        return "done"

    @app.task
    async def long() -> None:
        await over.wait()

    async with running(app):
        first = await once.asend()
        await until(lambda: ran == [1])
        kept = keys_of(servers.redis, first.id, "once")
        go.set()
        assert (await finished(app, first)).state == "succeeded"
        if busy != "idle":
            await long.asend()
            await until(lambda: redis.xlen(f"{P}stream:long") == 1)
            await until(lambda: redis.llen(f"{P}bell:long") == 0)
        lose_since(redis, kept)
        assert redis.hget(f"{P}job:{first.id}", "state") == "running"
        await until(lambda: redis.hget(f"{P}job:{first.id}", "state") == "succeeded")
        assert redis.hget(f"{P}job:{first.id}", "result") == '"done"'
        assert redis.xlen(f"{P}stream:once") == 0
        over.set()
    assert ran == [1]


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_an_attempt_that_was_out_of_time(
    app: Infinitas, redis: Redis, servers: Urls, kind: str
) -> None:
    """Async code has stopped, a thread goes on: neither runs again, and only the thread uses capacity."""
    app.configure(lease=1, concurrency=2)
    ran: list[int] = []
    gate = threading.Event()

    async def sleep(job: Job) -> None:
        ran.append(job.attempt)
        await asyncio.sleep(60)

    def block(job: Job) -> None:
        ran.append(job.attempt)
        gate.wait(60)

    task: Any = app.task(name="late", timeout=0.3, max_running=1)(sleep if kind == "async" else block)
    async with running(app):
        first = await task.asend()
        await until(lambda: ran == [1])
        kept = keys_of(servers.redis, first.id, "late")
        assert (await finished(app, first)).reason == "timed_out"
        await until(lambda: redis.exists(f"{P}lingering:late") == (kind == "thread"))
        lose_since(redis, kept)
        await until(lambda: redis.hget(f"{P}job:{first.id}", "state") == "failed")
        second = await task.asend()
        gate.set()
        await finished(app, second)
        await until(lambda: not redis.exists(f"{P}lingering:late"))
    assert redis.ttl(f"{P}job:{first.id}") > 0
    assert len(ran) == 2


async def test_a_job_unknown_to_its_worker_begins_even_without_free_capacity(broker: QueueBroker) -> None:
    await broker.jobs.enqueue([new("a"), new("b")])
    await claimed(broker, limit=2)
    capacity, started = Capacity(1), list[str]()
    capacity.reserve(1)

    def start(job: ClaimedJob) -> bool:
        started.append(job.id)
        return True

    claimer = Claimer(broker, "w1", [["t"]], capacity, 60, start)
    taking = asyncio.create_task(claimer.run_once())
    await asyncio.sleep(0)
    claimer.reconcile_soon()
    await taking
    assert (sorted(started), capacity.busy) == (["a", "b"], 3)


async def test_settlements_are_kept_within_bounds(
    broker: QueueBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_settlements, "MOST_KEPT_CHARS", 250)
    await broker.jobs.enqueue([new("a"), new("b"), new("c")])
    await claimed(broker, limit=3)
    kept = Outbox("w1", {"default": broker}, 60)
    result = Verdict(state=State.SUCCEEDED, result=f'"{"x" * 98}"')
    for id in ("a", "b", "c"):
        kept.settle("default", Settlement(id, 1, result, 60), ignore_answer)
        await kept.flush()
    assert [kept.settle_again(id, 1, 0) for id in ("a", "b", "c")] == [False, True, True]
    await kept.flush()
    assert kept.settle_again("c", 1, 0), "also after it was sent again"
    assert not kept.settle_again("c", 1, 5), "another job that was sent under its id"


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await aeventually(holds)
