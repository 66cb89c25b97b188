"""arq: the two jobs and how they are sent."""

import asyncio
import os

import marks
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from batches import batches

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_REDIS"])
_pool: ArqRedis


async def noop(ctx: object) -> None:
    marks.mark()


async def delay(ctx: object, sent: float) -> None:
    marks.delay(sent)


async def hold(ctx: object, sent: float) -> None:
    marks.delay(sent)
    await asyncio.sleep(1)
    marks.mark()


class WorkerSettings:
    functions = (noop, delay, hold)
    redis_settings = SETTINGS
    max_jobs = 100
    queue_read_limit = 500
    poll_delay = 0.01
    keep_result = 0


async def prepare() -> None:
    global _pool
    _pool = await create_pool(SETTINGS)


async def single(count: int) -> None:
    for _ in range(count):
        await _pool.enqueue_job("noop")


async def bulk(count: int) -> None:
    for size in batches(count):
        await asyncio.gather(*(_pool.enqueue_job("noop") for _ in range(size)))


async def send_delay(sent: float) -> None:
    await _pool.enqueue_job("delay", sent)


async def send_hold(sent: float) -> None:
    await _pool.enqueue_job("hold", sent)
