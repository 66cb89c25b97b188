"""A reader of the events that stays away is noticed within a minute, and never fills Redis."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream
from infinitas.broker.health import Health
from infinitas.broker.queue import QueueBroker
from infinitas.devservers.redis import start_redis
from infinitas.monitor.event_readers import EventReaderMonitor
from infinitas.scheduler.redis_monitor import CHECKS_PER_SETTINGS_CHECK, RedisMonitor
from tests.broker.test_jobs import new
from tests.scheduler.test_rescuer import Clock
from tests.support import events, eventually

P = "{infinitas:default}:"


def add_events(redis: Redis, count: int, ms: int = 1) -> None:
    """Old events: from 1970, ten bytes each."""
    pipe = redis.pipeline(transaction=False)
    for i in range(count):
        pipe.xadd(f"{P}events", {"type": "test.old", "at": 1}, id=f"{ms}-{i + 1}")
    pipe.execute()


class Watched:
    """An events watch on a clock of its own, over the events of an archiver."""

    def __init__(self, connection: Connection, events_max: int = 1000) -> None:
        self.clock = Clock()
        self.watch = EventReaderMonitor(Health(connection, "default"), events_max, self.clock)
        self.reader = EventStream(connection, "default", "archiver")

    async def look(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.now += 10
            await self.watch.check()


@pytest.fixture
async def watched(broker: QueueBroker, redis: Redis) -> Watched:
    redis.delete(f"{P}events")
    return Watched(broker.connection)


def lines(caplog: pytest.LogCaptureFixture, part: str) -> int:
    return sum(part in record.getMessage() for record in caplog.records)


async def test_an_absent_reader_is_reported_once_within_a_minute(
    watched: Watched, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    add_events(redis, 10)
    await watched.reader.trim("1-4")
    await watched.look(3)
    assert not redis.exists(f"{P}amiss"), "half a minute may be a deploy"
    await watched.look(20)
    assert lines(caplog, "The archiver is behind") == 1
    assert lines(caplog, "infinitas archiver --forget") == 1
    (event,) = events(redis, "archive.behind")
    assert orjson.loads(event.fields["facts"])["entries"] == 7
    assert redis.hkeys(f"{P}amiss") == ["reader:archiver"]

    other = Watched(watched.watch._health._connection)
    await other.look(20)
    assert len(events(redis, "archive.behind")) == 1, "a second scheduler sees what is known"

    await watched.reader.trim(await watched.reader.newest())
    await watched.look()
    assert lines(caplog, "has caught up") == 1
    assert len(events(redis, "archive.caught_up")) == 1
    assert not redis.exists(f"{P}amiss")


async def test_a_reader_that_follows_is_never_reported(watched: Watched, redis: Redis) -> None:
    for i in range(1, 20):
        add_events(redis, 5, ms=i)
        await watched.look()
        await watched.reader.trim(await watched.reader.newest(), 1000)
        await watched.look()
    assert not events(redis, "archive.behind", "archive.gap", "archive.dropped")
    assert not redis.exists(f"{P}amiss")


async def test_a_reader_that_is_forgotten_is_missed_no_more(watched: Watched, redis: Redis) -> None:
    add_events(redis, 10)
    await watched.reader.trim("1-4")
    await watched.look(10)
    redis.hdel(f"{P}readers", "archiver")
    await watched.look()
    assert not redis.exists(f"{P}amiss")


async def test_events_are_bounded_and_the_loss_is_reported(
    watched: Watched, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    add_events(redis, 5000)
    await watched.reader.trim("1-4")
    await watched.look(10)
    assert 900 <= redis.xlen(f"{P}events") <= 1100
    (dropped,) = events(redis, "archive.dropped")
    assert 3900 <= int(dropped.fields["entries"]) <= 4100
    assert lines(caplog, "Dropped the oldest") == 1
    (gap,) = events(redis, "archive.gap")
    assert gap.fields["facts"] == '{"after":"1-4"}'
    assert lines(caplog, "has a gap") == 1
    await watched.reader.trim(await watched.reader.newest())
    await watched.look()
    assert len(events(redis, "archive.gap_passed")) == 1
    assert not redis.exists(f"{P}amiss")


async def test_without_a_reader_nothing_is_reported(watched: Watched, redis: Redis) -> None:
    add_events(redis, 5000)
    await watched.look(10)
    assert redis.xlen(f"{P}events") == 5000
    assert not redis.exists(f"{P}amiss")


async def test_no_edge_lets_the_events_grow_without_end(broker: QueueBroker, redis: Any) -> None:
    """Also while no scheduler runs."""
    redis.hset(f"{P}readers", "archiver", "0-0")
    with redis.monitor() as monitor:
        await broker.jobs.enqueue([new("j")])
        command = next(c["command"] for c in monitor.listen() if "type job.created" in c["command"])
    assert "MAXLEN ~ 5000000" in command


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Connection]:
    """A server of its own, whose settings the test may change."""
    server, url = start_redis(tmp_path)
    connection = Connection(url, "test")
    yield connection
    await connection.close()
    server.stop()


async def test_events_take_at_most_half_of_the_memory(own_redis: Connection) -> None:
    redis: Any = Redis.from_url(own_redis.url, decode_responses=True)
    watched = Watched(own_redis, events_max=1_000_000)
    await QueueBroker(own_redis, "default").workers.join("w", ["t"], 60)
    await watched.reader.trim("0-0")
    pipe = redis.pipeline(transaction=False)
    for _ in range(20_000):
        pipe.xadd(f"{P}events", {"type": "test.large", "at": 1, "text": "x" * 200})
    pipe.execute()
    redis.config_set("maxmemory", 7_000_000)
    await watched.look()
    assert 2_500_000 < redis.memory_usage(f"{P}events") < 3_600_000
    redis.close()


async def test_redis_settings_are_checked_again(
    own_redis: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    redis: Any = Redis.from_url(own_redis.url, decode_responses=True)
    monitor = RedisMonitor(Health(own_redis, "default"))

    async def minute() -> None:
        for _ in range(CHECKS_PER_SETTINGS_CHECK):
            await monitor.check()

    await minute()
    assert not caplog.records
    redis.config_set("maxmemory-policy", "allkeys-lru")
    redis.config_set("appendonly", "no")
    used = redis.info("memory")["used_memory"]
    redis.config_set("maxmemory", used + 100_000)
    await minute()
    await minute()
    for part in ("maxmemory-policy is now allkeys-lru", "append-only file is off", "nearly full"):
        assert lines(caplog, part) == 1
    # One read: with this policy, a full Redis may evict the hash before another.
    found = redis.hgetall(f"{P}amiss")
    assert sorted(found) == ["redis:aof", "redis:memory", "redis:policy"]
    texts = {what: orjson.loads(facts)["text"] for what, facts in found.items()}
    assert "appendonly yes" in texts["redis:aof"], "what is wrong, with the remedy"
    redis.config_set("maxmemory", 0)
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("appendonly", "yes")
    await minute()
    assert lines(caplog, "Redis is well again") == 3
    assert not redis.exists(f"{P}amiss")
    # Redis does not stop while it writes its first append-only file.
    eventually(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
    redis.close()


async def test_where_info_is_not_permitted_there_is_nothing_to_see(
    own_redis: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    admin: Any = Redis.from_url(own_redis.url, decode_responses=True)
    admin.acl_setuser("app", enabled=True, passwords=["+p"], keys=["*"], commands=["+@all", "-info"])
    connection = Connection(own_redis.url.replace("unix://", "unix://app:p@"), "test")
    try:
        monitor = RedisMonitor(Health(connection, "default"))
        for _ in range(CHECKS_PER_SETTINGS_CHECK):
            await monitor.check()
    finally:
        await connection.close()
        admin.close()
    assert not caplog.records
