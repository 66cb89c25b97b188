"""arq: the jobs and how they are sent."""

import asyncio
import os
from typing import Any

import counters
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_REDIS"])
_pool: ArqRedis


async def noop(ctx: object) -> None:
    counters.count_run()


async def delay(ctx: object, sent: float) -> None:
    counters.record_delay(sent)


async def hold(ctx: object, sent: float) -> None:
    counters.record_delay(sent)
    await asyncio.sleep(1)
    counters.count_run()


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


async def send(task: Any, **arguments: float) -> None:
    await _pool.enqueue_job(task.__name__, **arguments)


async def bulk(count: int) -> None:
    await asyncio.gather(*(send(noop) for _ in range(count)))
