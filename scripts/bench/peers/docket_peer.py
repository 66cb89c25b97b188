"""docket: the two jobs and how they are sent."""

import asyncio
import os
from datetime import timedelta

import marks
from batches import batches
from docket import Docket, Worker


async def noop() -> None:
    marks.mark()


async def delay(sent: float) -> None:
    marks.delay(sent)


async def hold(sent: float) -> None:
    marks.delay(sent)
    await asyncio.sleep(1)
    marks.mark()


tasks = [noop, delay, hold]
_docket = Docket(
    name="bench", url=os.environ["BENCH_REDIS"] + "?max_connections=500", execution_ttl=timedelta(0)
)


async def prepare() -> None:
    await _docket.__aenter__()


async def single(count: int) -> None:
    for _ in range(count):
        await _docket.add(noop)()


async def bulk(count: int) -> None:
    for size in batches(count, 100):
        await asyncio.gather(*(_docket.add(noop)() for _ in range(size)))


async def send_delay(sent: float) -> None:
    await _docket.add(delay)(sent)


async def send_hold(sent: float) -> None:
    await _docket.add(hold)(sent)


async def _work() -> None:
    check = timedelta(milliseconds=10)
    async with _docket, Worker(_docket, concurrency=100, minimum_check_interval=check) as worker:
        for task in tasks:
            _docket.register(task)
        await worker.run_forever()


if __name__ == "__main__":
    asyncio.run(_work())
