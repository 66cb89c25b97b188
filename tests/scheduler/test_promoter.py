"""The promoter survives scores that are no moment: it sleeps a bounded time, and promotes what is due."""

import asyncio

import pytest
from redis import Redis

from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.core.codec import from_ms
from infinitas.scheduler.promoter import Promoter
from tests.support import aeventually

LATER = "{infinitas:default}:later"


@pytest.mark.damages
@pytest.mark.parametrize("score", [float("inf"), 1e300, 253402300800000.0, 9.3e15])
async def test_a_score_beyond_the_calendar(broker: QueueBroker, redis: Redis, score: float) -> None:
    redis.zadd(LATER, {"bad": score})
    promoted = await broker.jobs.promote(10, 60)
    assert promoted.following is not None
    assert promoted.following.year == 9000

    async def is_promoted() -> bool:
        return bool(redis.hget("{infinitas:default}:job:honest", "state") == "queued")

    promoter = Promoter(broker, 60)
    running = asyncio.create_task(forever(promoter))
    await aeventually(lambda: asyncio.sleep(0, promoter._wakeup._reading is not None))
    due = from_ms(int(redis.time()[0]) * 1000 + 1100)
    await broker.jobs.enqueue([NewJob(id="honest", task="t", args="[[],{}]", due=due)])
    await aeventually(is_promoted)
    assert not running.done()
    running.cancel()


async def forever(promoter: Promoter) -> None:
    while True:
        await promoter.run_once()


async def test_a_score_before_the_calendar(broker: QueueBroker, redis: Redis) -> None:
    redis.zadd(LATER, {"bad": float("-inf"), "worse": -1e300})
    await broker.jobs.promote(10, 60)
    assert redis.zcard(LATER) == 0
