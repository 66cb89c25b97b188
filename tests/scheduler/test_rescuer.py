"""The rescuer trusts only its own observation: clocks, outages and pauses prove nothing."""

import pytest
from redis import Redis

from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import InfinitasError
from infinitas.scheduler.rescuer import Rescuer

P = "{infinitas:default}:"


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def silent_after(rescuer: Rescuer, clock: Clock, count: int, step: float) -> list[str]:
    """Check `count` times, `step` seconds apart. Returns the silent workers at the end."""
    silent: list[str] = []
    for _ in range(count):
        clock.now += step
        silent = [worker for worker, _ in await rescuer.find_silent()]
    return silent


async def test_a_worker_is_silent_after_a_whole_lease_of_checks(broker: QueueBroker, redis: Redis) -> None:
    clock = Clock()
    rescuer = Rescuer(broker, 10, 60, clock)
    assert await silent_after(rescuer, clock, 10, 1.0) == []
    assert sorted(await silent_after(rescuer, clock, 1, 1.0)) == ["w1", "w2"]
    await broker.workers.beat("w1", [], 60)
    assert await silent_after(rescuer, clock, 1, 1.0) == ["w2"]
    for worker, count in await rescuer.find_silent():
        await rescuer.rescue(worker, count)
    assert redis.zrange(f"{P}beats", 0, -1) == ["w1"]


async def test_a_long_gap_between_checks_proves_nothing(broker: QueueBroker) -> None:
    """Redis was away for an hour, or this process was frozen: every counter stands still."""
    clock = Clock()
    rescuer = Rescuer(broker, 10, 60, clock)
    await silent_after(rescuer, clock, 3, 1.0)
    assert await silent_after(rescuer, clock, 1, 3600.0) == []
    assert await silent_after(rescuer, clock, 5, 1.0) == []
    assert sorted(await silent_after(rescuer, clock, 2, 1.0)) == ["w1", "w2"]


async def test_a_worker_with_a_heartbeat_in_between_is_not_rescued(broker: QueueBroker, redis: Redis) -> None:
    clock = Clock()
    rescuer = Rescuer(broker, 10, 60, clock)
    await silent_after(rescuer, clock, 11, 1.0)
    silent = await rescuer.find_silent()
    await broker.workers.beat("w1", [], 60)
    for worker, count in silent:
        await rescuer.rescue(worker, count)
    assert redis.zrange(f"{P}beats", 0, -1) == ["w1"]


async def test_silence_while_redis_refuses_writes_is_not_counted(broker: QueueBroker, redis: Redis) -> None:
    """Redis serves reads and refuses heartbeats: counters stand still, and the workers are healthy."""
    clock = Clock()
    rescuer = Rescuer(broker, 0.1, 60, clock)
    for _ in range(5):
        clock.now += 0.02
        await rescuer.run_once()
    redis.config_set("min-replicas-to-write", "1")
    try:
        for _ in range(20):
            clock.now += 0.02
            with pytest.raises(InfinitasError):
                await rescuer.run_once()
    finally:
        redis.config_set("min-replicas-to-write", "0")
    for _ in range(4):
        clock.now += 0.02
        await rescuer.run_once()
    assert redis.zrange(f"{P}beats", 0, -1) == ["w1", "w2"], "less than a lease since writes succeed"


async def test_heartbeats_count_on_a_full_redis(broker: QueueBroker, redis: Redis) -> None:
    """A full Redis accepts heartbeats, so a silent worker is dead."""
    clock = Clock()
    rescuer = Rescuer(broker, 10, 60, clock)
    redis.config_set("maxmemory", "1")
    try:
        for _ in range(12):
            await broker.workers.beat("w1", [], 60)
            await silent_after(rescuer, clock, 1, 1.0)
        await rescuer.rescue("w2", 1)
    finally:
        redis.config_set("maxmemory", "0")
    assert redis.zrange(f"{P}beats", 0, -1) == ["w1"]
