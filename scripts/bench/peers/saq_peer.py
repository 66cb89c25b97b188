"""SAQ: the two jobs and how they are sent."""

import asyncio
import os

import marks
from batches import batches
from saq import Queue

queue = Queue.from_url(os.environ["BENCH_REDIS"])


async def noop(ctx: object) -> None:
    marks.mark()


async def delay(ctx: object, *, sent: float) -> None:
    marks.delay(sent)


async def hold(ctx: object, *, sent: float) -> None:
    marks.delay(sent)
    await asyncio.sleep(1)
    marks.mark()


settings = {"queue": queue, "functions": [noop, delay, hold], "concurrency": 100}


async def prepare() -> None:
    await queue.connect()


async def single(count: int) -> None:
    for _ in range(count):
        await queue.enqueue("noop", ttl=-1)


async def bulk(count: int) -> None:
    for size in batches(count):
        await asyncio.gather(*(queue.enqueue("noop", ttl=-1) for _ in range(size)))


async def send_delay(sent: float) -> None:
    await queue.enqueue("delay", sent=sent, ttl=-1)


async def send_hold(sent: float) -> None:
    await queue.enqueue("hold", sent=sent, ttl=-1)
