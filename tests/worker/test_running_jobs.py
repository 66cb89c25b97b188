"""Capacity is free before Redis has confirmed an end: nothing runs twice, piles up, or is left behind."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from redis import Redis

from infinitas import Infinitas, Job, ServerUnreachable
from infinitas.broker.answers import SettleAnswer
from infinitas.broker.connection import Connection
from infinitas.broker.jobs import Jobs
from infinitas.broker.messages import Claim, ClaimRequest, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.runtime.config import Settings
from infinitas.runtime.signals import StopSignal
from infinitas.worker import worker as worker_module
from infinitas.worker.transport.interface import QueueTransport
from infinitas.worker.transport.redis import RedisTransport
from infinitas.worker.worker import Worker
from tests.support import aeventually, finished, running


class Slow:
    """Switches of the brokers below: settles wait for `go` or fail until then; one claim loses its reply."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.lose_reply = False
        self.away = False
        self.settling = asyncio.Event()


class SlowJobs(Jobs):
    """The real edges, but settles are answered late."""

    slow: Slow

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[SettleAnswer]:
        self.slow.settling.set()
        if self.slow.away and not self.slow.go.is_set():
            raise ServerUnreachable("no answer")
        await self.slow.go.wait()
        return await super().settle(worker, settlements)

    async def claim(self, request: ClaimRequest) -> Claim:
        claim = await super().claim(request)
        if self.slow.lose_reply and claim.jobs:
            self.slow.lose_reply = False
            raise ServerUnreachable("the reply was lost")
        return claim


class SlowSource(RedisTransport):
    slow: Slow

    def queue(self, queue: str) -> QueueTransport:
        broker = QueueBroker(self._connection, queue)
        broker.jobs = jobs = SlowJobs(self._connection, broker.keys)
        jobs.slow = self.slow
        return broker


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    switches = Slow()

    def open_transport(settings: Settings) -> SlowSource:
        source = SlowSource(Connection(settings.redis_url or "", "test"))
        source.slow = switches
        return source

    monkeypatch.setattr(worker_module, "open_transport", open_transport)
    return switches


async def test_ends_that_redis_does_not_confirm_do_not_pile_up(app: Infinitas, slow: Slow) -> None:
    app.configure(concurrency=2)
    ran: list[int] = []

    @app.task
    async def work(n: int) -> None:
        ran.append(n)

    handles = await work.asend_many([(n,) for n in range(12)])
    stop = StopSignal()
    worker = Worker(app.registry, app.settings)
    working = asyncio.create_task(worker.run(stop))
    await slow.settling.wait()
    await aeventually(lambda: _is(len(ran) == 4))
    # However often the claimer runs: two jobs have ended, and two more wait for the answers.
    for _ in range(3):
        await app.afetch_task("work")
    assert len(ran) == 4
    slow.go.set()
    for handle in handles:
        assert (await finished(app, handle)).attempt == 1
    assert sorted(ran) == list(range(12))
    stop.request()
    await working


async def test_an_unconfirmed_end_is_not_begun_again(app: Infinitas, slow: Slow) -> None:
    """A claim's reply is lost meanwhile, and Redis still counts the first job as running."""
    ran: list[int] = []

    @app.task
    async def work(n: int) -> None:
        ran.append(n)

    stop = StopSignal()
    working = asyncio.create_task(Worker(app.registry, app.settings).run(stop))
    first = await work.asend(1)
    await slow.settling.wait()
    slow.lose_reply = True
    second = await work.asend(2)
    await aeventually(lambda: _is(2 in ran))
    slow.go.set()
    assert (await finished(app, first)).attempt == (await finished(app, second)).attempt == 1
    assert ran == [1, 2]
    stop.request()
    await working


async def test_a_stopping_worker_waits_until_redis_knows_all_ends(app: Infinitas, slow: Slow) -> None:
    @app.task
    async def work() -> None: ...

    slow.away = True
    stop = StopSignal()
    working = asyncio.create_task(Worker(app.registry, app.settings).run(stop))
    handle = await work.asend()
    await slow.settling.wait()
    stop.request()
    await asyncio.wait({working}, timeout=0.3)
    assert not working.done()
    slow.go.set()
    await working
    job = await app.afetch_job(handle.id)
    assert (job.state, job.attempt) == ("succeeded", 1)


async def _is(condition: bool) -> bool:
    return condition


async def test_two_queues_share_the_capacity(app: Infinitas, redis: Redis) -> None:
    """Each waits for its own bell; a bell that rings brings no capacity."""
    app.configure(concurrency=1)
    go = asyncio.Event()

    @app.task(queue="left")
    async def one() -> None:
        await go.wait()

    @app.task(queue="right")
    async def other() -> None: ...

    async with running(app):
        first = await one.asend()
        await aeventually(lambda: _is(redis.hget(f"{{infinitas:left}}:job:{first.id}", "state") == "running"))
        second = await other.asend()
        await aeventually(lambda: _is(not redis.exists("{infinitas:right}:bell:other")))
        assert (await app.afetch_job(second.id)).state == "queued"
        go.set()
        assert (await finished(app, second)).state == "succeeded"


async def test_the_next_attempt_runs_beside_lingering_code_of_the_last(app: Infinitas) -> None:
    release = threading.Event()

    @app.task(timeout=0.2, retries=1, retry_delay=0)
    def stubborn(job: Job) -> str:
        if job.attempt == 1:
            release.wait(30)
        return "second"

    async with running(app, scheduler=True):
        job = await finished(app, await stubborn.asend())
        release.set()

    assert (job.state, job.attempt, job.result) == ("succeeded", 2, "second")
