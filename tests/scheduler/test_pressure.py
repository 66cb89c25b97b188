"""Before Redis is full, logs are given up, then progress, then new jobs are refused; ends of jobs never."""

import asyncio
from typing import Any

import pytest
from redis import Redis

from infinitas import Infinitas
from infinitas.archive.connection import Archive
from infinitas.archive.writer import Writer
from infinitas.broker.connection import Connection
from infinitas.broker.events import ARCHIVER, EventStream
from infinitas.broker.health import Health
from infinitas.broker.messages import ClaimRequest, NewJob, Report, Settlement
from infinitas.broker.pressure import Level, Pressure
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import BacklogFull, InfinitasError
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import SUCCEEDED
from infinitas.runtime.config import Settings
from infinitas.scheduler.pressure_monitor import MEMORY, Measure, PressureMonitor, level_of
from tests.own_redis import own_redis
from tests.support import events

P = "{infinitas:default}:"
LINES = '[[0,1,"info","x"]]'


def monitor(broker: QueueBroker, **settings: Any) -> PressureMonitor:
    health = Health(broker.connection, "default")
    return PressureMonitor(Pressure(broker.connection, "default"), health, Settings(**settings))


async def run(broker: QueueBroker, ids: list[str], at_a_time: int = 50) -> None:
    """Jobs from their send to their success."""
    for start in range(0, len(ids), at_a_time):
        await broker.jobs.enqueue(
            [NewJob(id=id, task="t", args="[[],{}]") for id in ids[start : start + at_a_time]]
        )
        claim = await broker.jobs.claim(ClaimRequest("w1", [["t"]], at_a_time, 60))
        ends = [Settlement(job.id, job.attempt, SUCCEEDED, 3600) for job in claim.jobs]
        await broker.jobs.settle("w1", ends)


async def running(broker: QueueBroker, id: str = "j") -> None:
    await broker.jobs.enqueue([NewJob(id=id, task="t", args="[[],{}]")])
    await broker.jobs.claim(ClaimRequest("w1", [["t"]], 1, 60))


async def report(broker: QueueBroker) -> None:
    what = Report(job="j", attempt=1, lines=LINES, progress=0.5, checkpoint="1")
    await broker.jobs.report("w1", [what], 60)


@pytest.mark.parametrize(
    ("share", "before", "expected"),
    [
        (0.69, Level.NONE, Level.NONE),
        (0.7, Level.NONE, Level.LOGS),
        (0.8, Level.NONE, Level.PROGRESS),
        (0.9, Level.NONE, Level.FULL),
        (0.82, Level.FULL, Level.FULL),
        (0.8, Level.FULL, Level.PROGRESS),
        (0.62, Level.LOGS, Level.NONE),
    ],
)
def test_levels_begin_and_end_apart(share: float, before: Level, expected: Level) -> None:
    assert level_of([Measure(share, MEMORY, "why")], before)[0] is expected


async def test_logs_are_shed_first_then_progress_and_checkpoints_never(
    broker: QueueBroker, redis: Redis
) -> None:
    await running(broker)
    pressure = Pressure(broker.connection, "default")
    for level, logged, stored in ((Level.NONE, 1, 1), (Level.LOGS, 0, 1), (Level.PROGRESS, 0, 0)):
        redis.delete(f"{P}log:j", f"{P}events")
        redis.hdel(f"{P}job:j", "progress", "checkpoint")
        await pressure.store(level, "why")
        await report(broker)
        assert len(events(redis, "job.logged")) == logged, level
        assert redis.xlen(f"{P}log:j") == stored, level
        assert redis.hexists(f"{P}job:j", "progress") == bool(stored), level
        assert redis.hget(f"{P}job:j", "checkpoint") == "1"
    await broker.jobs.settle("w1", [Settlement("j", 1, SUCCEEDED, 60)])
    assert len(events(redis, "job.succeeded")) == 1


async def test_senders_get_backlog_full_until_there_is_room(app: Infinitas, broker: QueueBroker) -> None:
    @app.task(name="t")
    def work() -> None: ...

    watch = monitor(broker, backlog_jobs=3)
    handles = [await work.asend() for _ in range(3)]
    assert await watch.check() is Level.FULL
    with pytest.raises(BacklogFull, match=r"3 jobs wait in the queue default; backlog_jobs is 3\."):
        await work.asend()
    with pytest.raises(BacklogFull) as refused:
        await asyncio.to_thread(work.send)
    assert refused.value.code == "backlog_full"
    (answer,) = await broker.jobs.enqueue([NewJob(id=handles[0].id, task="t", args="[[],{}]")])
    assert answer.accepted, "a job that was accepted, and whose answer was lost"
    claim = await broker.jobs.claim(ClaimRequest("w1", [["t"]], 3, 60))
    assert len(claim.jobs) == 3
    assert await watch.check() is Level.NONE
    await work.asend()


async def test_a_limit_in_bytes(broker: QueueBroker, redis: Redis) -> None:
    await broker.jobs.enqueue(
        [NewJob(id=f"j{i}", task="t", args=f'[["{"x" * 50_000}"],{{}}]') for i in range(20)]
    )
    found = await Pressure(broker.connection, "default").backlog(with_bytes=True)
    assert found.jobs == 20
    assert 1_000_000 < found.bytes < 1_050_000
    assert await monitor(broker, backlog_mb=1.2).check() is Level.NONE
    assert await monitor(broker, backlog_mb=1).check() is Level.FULL
    (fault,) = [each for each in events(redis, "system.amiss") if each.fields["what"] == "pressure:full"]
    assert "MB; backlog_mb is 1." in fault.fields["facts"]
    assert await monitor(broker).check() is Level.NONE
    assert {each.fields["what"] for each in events(redis, "system.well")} == {
        "pressure:full",
        "pressure:logs",
    }


async def test_without_a_monitor_it_ends(broker: QueueBroker, redis: Redis) -> None:
    await Pressure(broker.connection, "default").store(Level.FULL, "why")
    assert 0 < redis.pttl(f"{P}pressure") <= 30_000


async def test_ends_of_jobs_are_kept_when_unread_events_are_dropped(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    stream = EventStream(broker.connection, "default", ARCHIVER)
    await stream.trim("0-0")
    ids = [f"j{i}" for i in range(600)]
    await run(broker, ids, 1)
    health = Health(broker.connection, "default")
    before = redis.xlen(f"{P}events")
    dropped, kept = await health.drop_events(100)
    assert (dropped, redis.xlen(f"{P}events")) == (before - 100, 101), "and the event of the loss"
    assert kept == redis.xlen(f"{P}kept") >= 500
    assert (await health.lag())[0] == kept + 101

    archive = Archive(postgres_url, "test")
    position = None
    writer = Writer(archive, "default")
    while found := await stream.read(position or "0-0", 50):
        assert await writer.write(found, position, found[-1].position) == []
        position = found[-1].position
        await stream.trim(position)
    async with archive.transaction() as connection:
        query = "SELECT count(*) FROM infinitas_jobs WHERE state = 'succeeded'"
        row = await (await connection.execute(query)).fetchone()
    await archive.close()
    assert row == (600,)
    assert not redis.exists(f"{P}kept"), "nothing is left of it"


async def test_a_redis_that_was_filled_drains_by_itself() -> None:
    """Postgres is away, jobs are sent without an end; when it is back, everything is as before."""
    with own_redis() as own:
        connection = Connection(own.url, "test")
        broker = QueueBroker(connection, "default")
        await broker.declarations.declare([TaskDefinition(name="t")], [])
        await broker.workers.join("w1", ["t"], 60)
        stream = EventStream(connection, "default", ARCHIVER)
        await stream.trim(await stream.newest())
        baseline = own.admin.info("memory")["used_memory"]
        own.set("maxmemory", baseline + 4_000_000)
        watch = monitor(broker)
        sent: list[str] = []
        levels = set()
        text = "x" * 2_000
        refused = None
        for i in range(10_000):
            if i % 20 == 0:
                levels.add(await watch.check())
            (answer,) = await broker.jobs.enqueue([NewJob(id=f"j{i}", task="t", args=f'[["{text}"],{{}}]')])
            if not answer.accepted:
                refused = answer
                break
            sent.append(f"j{i}")
        assert refused is not None, "before Redis refused it by itself"
        assert levels == {Level.NONE, Level.LOGS, Level.PROGRESS, Level.FULL}
        own.set("maxmemory", 1)  # Full, by other programs.
        with pytest.raises(InfinitasError):
            await broker.jobs.enqueue([NewJob(id="other", task="t", args="[[],{}]")])
        position = "0-0"
        while found := await stream.read(position, 1_000):
            position = found[-1].position
            await stream.trim(position)
        assert own.admin.xlen(f"{P}events") <= 1, "what was read is gone, although Redis is full"
        own.set("maxmemory", baseline + 8_000_000)
        assert await watch.check() is Level.NONE
        assert (await broker.jobs.enqueue([NewJob(id="other", task="t", args="[[],{}]")]))[0].accepted
        length: Any = own.admin.xlen(f"{P}stream:t")
        assert length == len(sent) + 1, "no accepted job is lost"
        await connection.close()
