"""docket: the jobs and how they are sent."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import counters
from docket import Docket, Worker

BATCH = 100
_docket = Docket(
    name="bench", url=os.environ["BENCH_REDIS"] + "?max_connections=500", execution_ttl=timedelta(0)
)


async def noop() -> None:
    counters.count_run()


async def delay(sent: float) -> None:
    counters.record_delay(sent)


async def hold(sent: float) -> None:
    counters.record_delay(sent)
    await asyncio.sleep(1)
    counters.count_run()


async def prepare() -> None:
    await _docket.__aenter__()


async def send(task: Any, **arguments: float) -> None:
    await _docket.add(task)(**arguments)


async def bulk(count: int) -> None:
    await asyncio.gather(*(send(noop) for _ in range(count)))


async def _work() -> None:
    check = timedelta(milliseconds=10)
    async with _docket, Worker(_docket, concurrency=100, minimum_check_interval=check) as worker:
        for task in (noop, delay, hold):
            _docket.register(task)
        await worker.run_forever()


if __name__ == "__main__":
    asyncio.run(_work())
