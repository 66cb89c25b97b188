"""taskiq, on streams: the two jobs and how they are sent."""

import asyncio
import os

import marks
from batches import batches
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["BENCH_REDIS"], consumer_id="0", xread_count=100)


@broker.task
async def noop() -> None:
    marks.mark()


@broker.task
async def delay(sent: float) -> None:
    marks.delay(sent)


@broker.task
async def hold(sent: float) -> None:
    marks.delay(sent)
    await asyncio.sleep(1)
    marks.mark()


async def prepare() -> None:
    await broker.startup()


async def single(count: int) -> None:
    for _ in range(count):
        await noop.kiq()


async def bulk(count: int) -> None:
    for size in batches(count):
        await asyncio.gather(*(noop.kiq() for _ in range(size)))


async def send_delay(sent: float) -> None:
    await delay.kiq(sent)


async def send_hold(sent: float) -> None:
    await hold.kiq(sent)
