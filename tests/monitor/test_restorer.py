"""A Redis that has lost data gets it back: nothing is lost that was archived, nothing runs twice."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.archive.restorable import Restorable
from infinitas.archive.writer import Writer
from infinitas.broker.answers import APPLIED
from infinitas.broker.events import EventStream
from infinitas.broker.messages import ClaimRequest, Declarer, NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.broker.restoring import Restoring
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.planner import Fire
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.monitor.restorer import Restored, Restorer
from tests.broker.test_jobs import P, fire, settlement

HOUR = timedelta(hours=1)
TASKS = [
    TaskDefinition(name="t", retries=3, max_running=50),
    TaskDefinition(name="once", on_lost="fail"),
]
RETRY = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=3_600_000)
OLDER = "an older copy of Redis"


class World:
    """A queue with a worker, its archive, and a restorer."""

    def __init__(self, broker: QueueBroker, archive: Archive, redis: Redis) -> None:
        self.broker, self.archive, self.redis = broker, archive, redis
        self.stream = EventStream(broker.connection, "default", "archiver")
        self.writer = Writer(archive, "default")
        self.edges = Restoring(broker.connection, "default")
        self.restorer = Restorer(broker.connection, "default", Restorable(archive), 60)

    async def prepare(self) -> None:
        declarer = Declarer(born=await self.broker.now())
        await self.broker.declarations.declare(TASKS, [], declarer)
        for worker in ("w1", "w2"):
            await self.broker.workers.join(worker, [task.name for task in TASKS], 60)

    async def record(self) -> None:
        """Archive all events, as the archiver does."""
        position = await self.writer.position()
        while events := await self.stream.read(position or "0-0", 1000):
            after = events[-1].position
            assert await self.edges.mark_archived(position or "", after)
            assert await self.writer.write(events, position, after) == []
            position = after

    async def claim(self, *tasks: str, worker: str = "w1", most: int = 1) -> list[tuple[str, int, int]]:
        """Id, attempt and charged attempts of what a worker claims."""
        claim = await self.broker.jobs.claim(ClaimRequest(worker, [list(tasks) or ["t", "once"]], most, 60))
        return [(job.id, job.attempt, job.attempt - job.uncharged) for job in claim.jobs]

    async def send(self, id: str, task: str = "t", **facts: Any) -> None:
        await self.broker.jobs.enqueue([NewJob(id=id, task=task, args=f'[["{id}"],{{}}]', **facts)])

    async def fire(self, rule: Schedule) -> Fire:
        """Fire the next slot, whose time has not come."""
        slot = self.redis.zscore(f"{P}due", rule.key)
        assert isinstance(slot, float)
        planned = fire(rule, from_ms(int(slot)))
        assert await self.broker.schedules.fire([planned]) == [True]
        return planned

    async def restore(self, **options: bool) -> Restored:
        report = await self.restorer.restore(**options)
        assert report is not None
        assert report.faults == []
        return report

    def job(self, id: str) -> Any:
        return self.redis.hgetall(f"{P}job:{id}")

    def hashes(self, *names: str) -> dict[str, Any]:
        return {name: self.redis.hgetall(P + name) for name in names}

    async def row(self, query: str) -> tuple[Any, ...]:
        async with self.archive.transaction() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None
        return tuple(row)

    def everything(self) -> dict[Any, Any]:
        return {key: self.redis.dump(key) for key in self.redis.scan_iter()}


@pytest.fixture
async def world(broker: QueueBroker, postgres_url: str, redis: Redis) -> AsyncIterator[World]:
    archive = Archive(postgres_url, "test")
    world = World(broker, archive, redis)
    await world.prepare()
    yield world
    await archive.close()


def rule(key: str, **facts: Any) -> Schedule:
    return Schedule(key=key, task="t", every_ms=3_600_000, origin="api", **facts)


async def test_an_empty_redis_gets_schedules_and_jobs_back(world: World) -> None:
    broker, now = world.broker, await world.broker.now()
    reminder = Schedule(key="todo-7", task="t", at_ms=to_ms(now + HOUR) // 1000 * 1000, origin="api")
    rules = [rule("plain"), rule("paused"), rule("skipping"), rule("twice", max_runs=2), rule("gone")]
    await broker.schedules.schedule([*rules, reminder], now)
    await broker.schedules.pause("paused", "why", now, now + HOUR)
    await broker.schedules.pause("plain", "why", now, None)
    await broker.schedules.resume("plain")
    await broker.schedules.skip("skipping", 3)
    for each in rules:
        await world.fire(each)
    await broker.schedules.unschedule("gone")
    slots = await world.claim(most=10)
    assert len(slots) == 3
    await broker.jobs.settle("w1", [settlement(id, 1) for id, _, _ in slots])

    await world.send("queued", headers={"a": "b"}, key="k")
    await world.send("delayed", due=now + HOUR)
    for id, task in (("ran", "t"), ("failing", "t"), ("fragile", "once"), ("ended", "t")):
        await world.send(id, task)
        assert await world.claim(task, most=1) if task == "once" else True
    begun = {id for id, _, _ in await world.claim("t", most=10)}
    assert begun == {"queued", "ran", "failing", "ended"}
    await broker.jobs.release("w1", [("queued", 1)], 60, begun=False)
    ends = [settlement("failing", 1, RETRY), settlement("ended", 1)]
    assert await broker.jobs.settle("w1", ends) == [APPLIED] * 2
    names = ("schedules", "marks", "paused", "skips", "runs", "tasks", "limits", "keys:t")
    before, due = world.hashes(*names), world.redis.zrange(f"{P}due", 0, -1, withscores=True)
    assert before["skips"] == {"skipping": "2"}
    assert before["runs"] == {"twice": "1"}
    facts = {id: world.job(id) for id in ("queued", "delayed", "ran", "failing")}
    await world.record()

    world.redis.flushall()
    assert await world.restorer.is_needed()
    untouched = world.everything()
    planned = await world.restore(dry_run=True)
    assert world.everything() == untouched
    report = await world.restore()
    assert dict(report.counts) | {"lost": 0} == dict(planned.counts) | {"lost": 0, "jobs": 4}
    assert not await world.restorer.is_needed()
    assert world.hashes(*names) == before
    assert world.redis.zrange(f"{P}due", 0, -1, withscores=True) == due

    after = {id: world.job(id) for id in facts}
    for id, job in facts.items():
        same = ("task", "args", "due", "headers", "key", "created")
        assert {name: after[id].get(name) for name in same} == {name: job.get(name) for name in same}
    assert [after[id]["state"] for id in facts] == ["queued", "scheduled", "queued", "retrying"]
    assert world.job("ended") == {}
    lost = world.job("fragile")
    assert (lost["state"], lost["reason"]) == ("failed", "lost")

    await world.prepare()
    again = {id: (attempt, charged) for id, attempt, charged in await world.claim(most=10)}
    assert again == {"queued": (1001, 1), "ran": (1001, 1)}
    world.redis.zadd(f"{P}later", dict.fromkeys(("delayed", "failing"), 1))
    await broker.jobs.promote(10, 60)
    again = {id: (attempt, charged) for id, attempt, charged in await world.claim(most=10)}
    assert again == {"delayed": (1001, 1), "failing": (1001, 2)}
    await world.record()
    query = "SELECT state, reason FROM infinitas_jobs WHERE id = 'fragile'"
    assert await world.row(query) == ("failed", "lost")
    assert await world.row("SELECT state, attempt FROM infinitas_jobs WHERE id = 'ran'") == ("running", 1001)
