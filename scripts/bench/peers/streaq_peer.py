"""streaq: the two jobs and how they are sent."""

import asyncio
import os

import marks
from batches import batches
from streaq import Worker

worker = Worker(redis_url=os.environ["BENCH_REDIS"], concurrency=100)


@worker.task(ttl=0)
async def noop() -> None:
    marks.mark()


@worker.task(ttl=0)
async def delay(sent: float) -> None:
    marks.delay(sent)


@worker.task(ttl=0)
async def hold(sent: float) -> None:
    marks.delay(sent)
    await asyncio.sleep(1)
    marks.mark()


async def prepare() -> None:
    await worker.__aenter__()


async def single(count: int) -> None:
    for _ in range(count):
        await noop.enqueue()


async def bulk(count: int) -> None:
    for size in batches(count):
        await worker.enqueue_many([noop.enqueue() for _ in range(size)])


async def send_delay(sent: float) -> None:
    await delay.enqueue(sent)


async def send_hold(sent: float) -> None:
    await hold.enqueue(sent)
