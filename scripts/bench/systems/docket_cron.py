"""docket: tasks that a worker schedules again each time they have run."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta

import counters
from docket import Cron, Docket, Worker


def task(name: str) -> Callable[..., Awaitable[None]]:
    async def late(cron: Cron = Cron(counters.CRON)) -> None:  # noqa: B008 - docket reads the default
        counters.record_lateness()

    late.__name__ = late.__qualname__ = name
    return late


async def work() -> None:
    url = os.environ["BENCH_REDIS"] + "?max_connections=500"
    check = timedelta(milliseconds=10)
    async with (
        Docket(name="bench", url=url, execution_ttl=timedelta(0)) as docket,
        Worker(docket, concurrency=100, minimum_check_interval=check) as worker,
    ):
        for name in counters.schedules():
            docket.register(task(name))
        await worker.run_forever()


if __name__ == "__main__":
    asyncio.run(work())
