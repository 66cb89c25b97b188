"""A sent job has a handle: wait for its end, and take its result or its error."""

import asyncio

import pytest

from infinitas import (
    Infinitas,
    Job,
    JobFailed,
    JobTimedOut,
    KeyTaken,
    NotInTime,
    UnknownJob,
)
from tests.support import aeventually, running


async def test_wait_for_a_result(app: Infinitas) -> None:
    @app.task
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0.05)
        return a + b

    async with running(app):
        handle = await add.asend(40, 2)
        assert await handle.result(timeout=10) == 42
        assert await handle.result() == 42
        handles = [await add.asend(n, n) for n in range(20)]
        assert await asyncio.gather(*(h.result(10) for h in handles)) == [2 * n for n in range(20)]


def test_in_sync_code(app: Infinitas) -> None:
    @app.task
    def add(a: int, b: int) -> int:
        return a + b

    async def serve(done: asyncio.Event) -> None:
        async with running(app):
            await done.wait()

    async def main() -> int:
        done = asyncio.Event()
        serving = asyncio.create_task(serve(done))
        result = await asyncio.to_thread(lambda: add.send(1, 2).get(10))
        done.set()
        await serving
        return result

    assert asyncio.run(main()) == 3


async def test_a_failed_job_raises_where_its_result_is_wanted(app: Infinitas) -> None:
    @app.task
    def divide(a: int, b: int) -> float:
        return a / b

    @app.task(timeout=0.05)
    async def sleepy() -> None:
        await asyncio.sleep(10)

    async with running(app):
        with pytest.raises(JobFailed, match="division by zero"):
            await (await divide.asend(1, 0)).result(10)
        with pytest.raises(JobTimedOut, match="the limit of"):
            await (await sleepy.asend()).result(10)


async def test_waiting_has_an_end(app: Infinitas) -> None:
    @app.task
    def never() -> None: ...

    handle = await never.asend()
    with pytest.raises(NotInTime):
        await handle.result(timeout=0.05)
    assert (await app.afetch_job(handle.id)).state == "queued"


async def test_a_result_is_kept_for_its_time(app: Infinitas) -> None:
    @app.task(result_ttl=1)
    def brief() -> int:
        return 7

    async with running(app):
        handle = await brief.asend()
        assert await handle.result(10) == 7

        async def gone() -> bool:
            try:
                await app.afetch_job(handle.id)
            except UnknownJob:
                return True
            return False

        await aeventually(gone)


@pytest.mark.parametrize(
    "value", [object(), "x" * 300_000, float("nan")], ids=["no JSON", "too large", "NaN"]
)
async def test_a_result_that_can_not_be_kept_is_a_clear_failure(app: Infinitas, value: object) -> None:
    @app.task(retries=3)
    def produce() -> object:
        return value

    async with running(app):
        with pytest.raises(JobFailed, match="JSON"):
            await (handle := await produce.asend()).result(10)
        job = await app.afetch_job(handle.id)

    assert (job.state, job.reason, job.attempt) == ("failed", "bad_result", 1)


async def test_a_business_key_refuses_a_second_live_job(app: Infinitas) -> None:
    go = asyncio.Event()

    @app.task
    async def bill(order: int) -> None:
        await go.wait()

    async with running(app):
        first = await bill.using(key="order-7").asend(7)
        with pytest.raises(KeyTaken) as taken:
            await bill.using(key="order-7").asend(7)
        assert taken.value.job == first.id
        await bill.using(key="order-8").asend(8)
        go.set()
        await first.result(10)
        await (await bill.using(key="order-7").asend(7)).result(10)


async def test_headers_travel_with_the_job(app: Infinitas) -> None:
    @app.task
    async def trace(job: Job) -> dict[str, str]:
        return job.headers

    async with running(app):
        handle = await trace.using(headers={"traceparent": "00-abc-def-01"}).asend()
        assert await handle.result(10) == {"traceparent": "00-abc-def-01"}
