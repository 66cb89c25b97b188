"""Limits of a task hold over all workers: how many run, how many start, how long one waits."""

import asyncio

from redis import Redis

from infinitas import Infinitas
from tests.support import PATIENCE_S, aeventually, events, finished, running


async def test_max_running(app: Infinitas) -> None:
    running_now, most = 0, 0

    @app.task(max_running=2)
    async def heavy() -> None:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.02)
        running_now -= 1

    @app.task
    async def light() -> None: ...

    async with running(app):
        handles = await heavy.asend_many([()] * 12)
        await (await light.asend()).result(10)
        for handle in handles:
            await handle.result(10)
    assert most == 2


async def test_a_rate_holds_in_every_window(app: Infinitas, redis: Redis) -> None:
    @app.task(rate="3/1s")
    async def call_api() -> None: ...

    async with running(app):
        for handle in await call_api.asend_many([()] * 8):
            await handle.result(PATIENCE_S)
    starts = [event.at_ms for event in events(redis, "job.running")]
    gaps = [later - earlier for earlier, later in zip(starts, starts[3:], strict=False)]
    assert len(gaps) == 5
    assert min(gaps) >= 1000


async def test_a_job_that_waited_too_long_is_skipped(app: Infinitas) -> None:
    ran: list[int] = []

    @app.task(expires=0.05)
    def fresh(number: int) -> None:
        ran.append(number)

    stale = await fresh.asend(1)
    patient = await fresh.using(expires=60).asend(2)
    await asyncio.sleep(0.1)
    async with running(app):
        job = await finished(app, stale)
        await finished(app, patient)
    assert (job.state, job.reason, job.attempt) == ("skipped", "expired", 0)
    assert ran == [2]


async def test_it_is_skipped_also_when_no_worker_looks(app: Infinitas) -> None:
    @app.task(expires=0.2)
    def fresh() -> None: ...

    async with running(app, worker=False, scheduler=True):
        assert (await finished(app, await fresh.asend())).reason == "expired"


async def test_tasks_of_higher_priority_go_first(app: Infinitas) -> None:
    order: list[str] = []

    @app.task
    async def bulk() -> None:
        order.append("bulk")

    @app.task(priority=5)
    async def urgent() -> None:
        order.append("urgent")

    await bulk.asend_many([()] * 10)
    await urgent.asend_many([()] * 10)
    async with running(app.configure(concurrency=1)):

        async def all_ran() -> bool:
            return len(order) == 20

        await aeventually(all_ran)
    assert order == ["urgent"] * 10 + ["bulk"] * 10
