"""streaq: the jobs and how they are sent."""

import asyncio
import os
from typing import Any

import counters
from streaq import Worker

worker = Worker(redis_url=os.environ["BENCH_REDIS"], concurrency=100)


@worker.task(ttl=0)
async def noop() -> None:
    counters.count_run()


@worker.task(ttl=0)
async def delay(sent: float) -> None:
    counters.record_delay(sent)


@worker.task(ttl=0)
async def hold(sent: float) -> None:
    counters.record_delay(sent)
    await asyncio.sleep(1)
    counters.count_run()


async def prepare() -> None:
    await worker.__aenter__()


async def send(task: Any, **arguments: float) -> None:
    await task.enqueue(**arguments)


async def bulk(count: int) -> None:
    await worker.enqueue_many([noop.enqueue() for _ in range(count)])
