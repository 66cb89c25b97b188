"""SAQ: the jobs and how they are sent."""

import asyncio
import os
from typing import Any

import counters
from saq import Queue

queue = Queue.from_url(os.environ["BENCH_REDIS"])


async def noop(ctx: object) -> None:
    counters.count_run()


async def delay(ctx: object, *, sent: float) -> None:
    counters.record_delay(sent)


async def hold(ctx: object, *, sent: float) -> None:
    counters.record_delay(sent)
    await asyncio.sleep(1)
    counters.count_run()


settings = {"queue": queue, "functions": [noop, delay, hold], "concurrency": 100}


async def prepare() -> None:
    await queue.connect()


async def send(task: Any, **arguments: float) -> None:
    await queue.enqueue(task.__name__, ttl=-1, **arguments)


async def bulk(count: int) -> None:
    await asyncio.gather(*(send(noop) for _ in range(count)))
