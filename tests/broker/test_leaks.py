"""The check after each test finds what has neither an end nor an owner."""

import pytest
from redis import Redis

from infinitas.broker.queue import QueueBroker
from tests.broker.leaks import unbounded
from tests.broker.test_jobs import claimed, new, settlement

P = "{infinitas:default}:"


@pytest.mark.damages
async def test_each_kind_of_leak_is_found(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue([new("ended"), new("lives")])
    await claimed(broker)
    await broker.jobs.settle("w1", [settlement("ended", 1)])
    assert unbounded(redis) == []
    redis.persist(f"{P}job:ended")
    redis.set(f"{P}what", 1)
    redis.set("infinitas:reply:digest", "{}")
    redis.rpush(f"{P}cancels:w1", "ended")
    redis.hset(f"{P}live", "schedule", "ended")
    redis.hset(f"{P}marks", "schedule", 1)
    redis.hset(f"{P}keys:t", "key", "ended")
    redis.zadd(f"{P}later", {"ended": 1})
    redis.xadd(f"{P}stream:t", {"job": "ended"})
    redis.rpush(f"{P}recent:gone", "{}")
    assert [line.split(": ")[0].removeprefix(P) for line in unbounded(redis)] == [
        *("infinitas:reply:digest", "cancels:w1", "job:ended", "keys:t", "later", "live", "marks"),
        *("recent:gone", "stream:t", "what"),
    ]
