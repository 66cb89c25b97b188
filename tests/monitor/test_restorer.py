"""A Redis that has lost data gets it back: nothing is lost that was archived, nothing runs twice."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.archive.restorable import Restorable
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import Recorder
from infinitas.broker.answers import APPLIED, RuleAnswer
from infinitas.broker.events import EventStream
from infinitas.broker.messages import ClaimRequest, Declarer, NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.broker.restoring import Restoring, Superseded
from infinitas.broker.stored_rules import digest
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.errors import ConfigError
from infinitas.core.planner import Fire
from infinitas.core.restoration import ArchivedJob
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.devservers.servers import Urls
from infinitas.monitor.restorer import Restored, Restorer, known_queues
from infinitas.scheduler.restore_archive import RestoreArchive
from infinitas.scheduler.restore_gate import RestoreGate
from infinitas.scheduler.ticker import Ticker
from tests.broker.test_jobs import P, fire, settlement
from tests.support import aeventually

HOUR = timedelta(hours=1)
TASKS = [
    TaskDefinition(name="t", retries=3, max_running=50),
    TaskDefinition(name="once", on_lost="fail"),
]
RETRY = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=3_600_000)
OLDER = "an older copy of Redis"


class World:
    """A queue with a worker, its archive, and a restorer."""

    def __init__(self, broker: QueueBroker, archive: Archive, redis: Redis, url: str) -> None:
        self.broker, self.archive, self.redis = broker, archive, redis
        self.raw: Any = Redis.from_url(url)
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

    def copy(self) -> dict[Any, tuple[Any, int]]:
        return {key: (self.raw.dump(key), max(self.redis.pttl(key), 0)) for key in self.redis.scan_iter()}

    def put_back(self, copy: dict[Any, tuple[Any, int]]) -> None:
        """As a Redis that has started from an older snapshot."""
        self.redis.flushall()
        for key, (dumped, ttl) in copy.items():
            self.raw.restore(key, ttl, dumped)

    async def row(self, query: str) -> tuple[Any, ...]:
        async with self.archive.transaction() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None
        return tuple(row)

    def everything(self) -> dict[Any, Any]:
        return {key: self.raw.dump(key) for key in self.redis.scan_iter()}


@pytest.fixture
async def world(broker: QueueBroker, postgres_url: str, redis: Redis, servers: Urls) -> AsyncIterator[World]:
    archive = Archive(postgres_url, "test")
    world = World(broker, archive, redis, servers.redis)
    await world.prepare()
    yield world
    world.raw.close()
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
    await world.send("delayed", due=now + HOUR, expires_s=600)
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
        same = ("task", "args", "due", "headers", "key", "created", "expires")
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


async def test_an_older_redis_runs_nothing_again_that_had_ended(world: World) -> None:
    broker, now = world.broker, await world.broker.now()
    once = Schedule(key="todo", task="t", at_ms=to_ms(now + HOUR) // 1000 * 1000, origin="api")
    rules = [rule("r"), rule("p"), rule("q"), rule("removed"), rule("replaced")]
    await broker.schedules.schedule([*rules, once], now)
    await broker.schedules.pause("p", "why", now, None)
    for id in ("ended", "failed", "went on", "waits", "released"):
        await world.send(id)
    await world.send("fragile", "once")
    assert await world.claim("t", most=3) == [("ended", 1, 1), ("failed", 1, 1), ("went on", 1, 1)]
    await world.record()
    copy = world.copy()

    failure = Verdict(state=State.FAILED, reason=Reason.ERROR, error="e")
    soon = replace(RETRY, delay_ms=1)
    ends = [settlement("ended", 1), settlement("failed", 1, failure), settlement("went on", 1, soon)]
    assert await broker.jobs.settle("w1", ends) == [APPLIED] * 3
    world.redis.zadd(f"{P}later", {"went on": 1})
    await broker.jobs.promote(10, 60)
    assert {id for id, _, _ in await world.claim("t", worker="w2", most=3)} == {
        "waits",
        "released",
        "went on",
    }
    await broker.jobs.settle("w2", [settlement("waits", 1)])
    await broker.jobs.release("w2", [("released", 1)], 60)
    assert await world.claim("once", worker="w2") == [("fragile", 1, 1)]
    for each in (rules[0], once):
        await world.fire(each)
    fired = await world.claim("t", worker="w2", most=3)
    await broker.jobs.settle("w2", [settlement(id, n) for id, n, _ in fired if "@" in id])
    await broker.schedules.unschedule("removed")
    await broker.schedules.resume("p")
    await world.send("new")
    await world.record()
    marks = world.hashes("marks")
    counts = await world.row("SELECT succeeded, failed FROM infinitas_tasks WHERE name = 't'")

    world.put_back(copy)
    assert await world.restorer.is_needed()
    await broker.schedules.pause("q", "meanwhile", now, None)
    await broker.schedules.schedule([replace(rule("replaced"), every_ms=7_200_000)], now)
    await world.send("meanwhile")
    report = await world.restore()
    assert report.counts["ended"] >= 3
    assert {id: world.job(id)["state"] for id in ("ended", "failed", "waits")} == {
        "ended": "succeeded",
        "failed": "failed",
        "waits": "succeeded",
    }
    assert (world.job("fragile")["state"], world.job("fragile")["reason"]) == ("failed", "lost")
    assert set(world.hashes("schedules")["schedules"]) == {"r", "p", "q", "replaced"}
    assert world.redis.zscore(f"{P}due", "todo") is None
    assert '"every_ms":7200000' in world.hashes("schedules")["schedules"]["replaced"]
    assert set(world.hashes("paused")["paused"]) == {"q"}
    assert world.hashes("marks")["marks"].items() >= {("r", marks["marks"]["r"])}

    claimed = {id: (attempt, charged) for id, attempt, charged in await world.claim(most=20)}
    assert claimed == {
        "went on": (1001, 2),
        "released": (1001, 1),
        "new": (1001, 1),
        "meanwhile": (1, 1),
    }
    pending: Any = world.redis.xpending(f"{P}stream:t", "workers")
    assert pending["pending"] == len(claimed)
    await broker.jobs.settle("w1", [settlement(id, n) for id, (n, _) in claimed.items()])
    await world.record()
    assert await world.row("SELECT state, attempt FROM infinitas_jobs WHERE id = 'ended'") == ("succeeded", 1)
    assert await world.row("SELECT succeeded, failed FROM infinitas_tasks WHERE name = 't'") == (
        counts[0] + 4,
        counts[1],
    )
    assert not await world.restorer.is_needed()


async def test_what_code_declares_at_once_gets_its_past_back(world: World) -> None:
    """Workers declare their schedules again before anything is restored."""
    broker, now = world.broker, await world.broker.now()
    declared = Schedule(key="t", task="t", every_ms=3_600_000, max_runs=3)
    await broker.declarations.declare(TASKS, [declared], Declarer(born=now))
    stored = Schedule.from_json(world.hashes("schedules")["schedules"]["t"])
    override = replace(stored, every_ms=1_800_000, anchor_ms=7, code_rule=stored.to_json())
    seen = digest(stored.to_json())
    assert await broker.schedules.schedule([override], now, seen) == [RuleAnswer.STORED]
    for _ in range(2):
        await world.fire(override)
        ((id, attempt, _),) = await world.claim("t")
        await broker.jobs.settle("w1", [settlement(id, attempt)])
    before = world.hashes("schedules", "marks", "runs")
    due = world.redis.zscore(f"{P}due", "t")
    assert before["runs"] == {"t": "2"}
    await world.record()

    for _ in range(2):  # The second time, the archive has what code has declared meanwhile.
        world.redis.flushall()
        await broker.declarations.declare(TASKS, [declared], Declarer(born=await broker.now()))
        assert world.hashes("schedules")["schedules"] != before["schedules"]
        await world.restore()
        assert world.hashes("schedules", "marks", "runs") == before
        assert world.redis.zscore(f"{P}due", "t") == due
        await world.record()

    world.redis.flushall()
    newer = replace(declared, every_ms=600_000)
    await broker.declarations.declare(TASKS, [newer], Declarer(born=await broker.now()))
    rule_of_code = world.hashes("schedules")["schedules"]
    await world.restore()
    assert world.hashes("schedules")["schedules"] == rule_of_code
    assert world.hashes("marks") == {"marks": before["marks"]}


class KilledError(BaseException): ...


class CutOff(Restoring):
    """Edges of a process that is killed before one of its steps."""

    left = 0

    async def _run(self, script: str, **arguments: object) -> Any:
        if self.left == 0:
            raise KilledError
        self.left -= 1
        return await super()._run(script, **arguments)

    async def hold_restore(self, epoch: int) -> bool:
        return True


async def test_a_restore_that_was_killed_anywhere_begins_again(world: World) -> None:
    broker, now = world.broker, await world.broker.now()
    await broker.schedules.schedule([rule("r"), rule("gone")], now)
    for id, task in (("a", "t"), ("b", "t"), ("fragile", "once")):
        await world.send(id, task)
    assert await world.claim("t") == [("a", 1, 1)]
    assert await world.claim("once") == [("fragile", 1, 1)]
    await world.record()
    older = world.copy()
    await broker.schedules.unschedule("gone")
    await broker.jobs.settle("w1", [settlement("a", 1)])
    await world.record()

    async def restore_until(steps: int) -> bool:
        """Whether the restore was over before it was killed."""
        edges = CutOff(broker.connection, "default", ttl_s=0.02)
        edges.left = steps
        restorer = Restorer(broker.connection, "default", Restorable(world.archive), 60, edges)
        try:
            return await restorer.restore() is not None
        except KilledError:
            pass
        assert await world.restorer.is_needed()
        assert await aeventually(world.restorer.restore)
        edges.left = 1  # It was only held up, and goes on.
        with pytest.raises(Superseded):
            await edges.restore_jobs(1, [{"id": "late"}], 60)
        return False

    for copy in ({}, older):
        steps, over = 0, False
        while not over:
            world.put_back(copy)
            await world.prepare()
            over, steps = await restore_until(steps), steps + 1
            assert set(world.hashes("schedules")["schedules"]) == {"r"}
            assert [id for id, _, _ in await world.claim(most=9)] == ["b"]
            ended = {id: world.job(id).get("state") for id in ("a", "fragile")}
            assert ended == {"a": "succeeded" if copy else None, "fragile": "running" if copy else "failed"}
            assert not await world.restorer.is_needed()
        assert steps > 3


async def test_after_an_upgrade_nothing_is_restored(world: World) -> None:
    """Earlier versions stored no mark; the event of the archive's position shows that nothing is lacking."""
    await world.send("a")
    await world.record()
    await world.stream.trim(await world.writer.position() or "")
    world.redis.delete(f"{P}archived")
    assert await world.restorer.restore() is None
    assert not await world.restorer.is_needed()
    assert world.redis.get(f"{P}archived") == await world.writer.position()
    assert await world.claim() == [("a", 1, 1)]


async def test_an_attempt_that_is_newer_than_the_archive_goes_on(world: World) -> None:
    """It began after the last archived event."""
    for id in ("a", "b"):
        await world.send(id)
    assert await world.claim() == [("a", 1, 1)]
    await world.record()
    world.redis.xtrim(f"{P}events", maxlen=0)
    assert await world.claim() == [("b", 1, 1)]
    world.redis.delete(f"{P}archived")
    await world.restore()
    assert await world.claim(worker="w2", most=9) == []
    ends = [settlement("a", 1), settlement("b", 1)]
    assert await world.broker.jobs.settle("w1", ends) == [APPLIED] * 2


class NeverEnds(Restoring):
    async def end_restore(self, position: str, epoch: int, counts: Any) -> bool:
        raise KilledError


async def test_a_job_that_ended_after_a_restore_that_was_cut_off_is_not_put_back(world: World) -> None:
    """Redis has forgotten it by then, and no archiver has recorded its end."""
    await world.send("a")
    await world.record()
    world.redis.flushall()
    edges = NeverEnds(world.broker.connection, "default", ttl_s=0.02)
    with pytest.raises(KilledError):
        await Restorer(world.broker.connection, "default", Restorable(world.archive), 60, edges).restore()
    await world.prepare()
    ((id, attempt, _),) = await aeventually(world.claim)
    await world.broker.jobs.settle("w1", [settlement(id, attempt)])
    world.redis.delete(f"{P}job:a")
    report = await world.restore()
    assert report.counts["jobs"] == 0
    assert await world.claim() == []


async def test_slots_and_claims_wait_however_long_a_page_takes(world: World) -> None:
    await world.send("a")
    await world.record()
    world.redis.flushall()
    left: list[int] = []

    class Slow(Restorable):
        async def open_jobs(self, queue: str) -> AsyncIterator[list[ArchivedJob]]:
            async def held_again() -> bool:
                left.append(world.redis.pttl(f"{P}restoring"))
                assert left[-1] > 0, "claims go on in the middle of a restore"
                return left[-1] > min(left)

            await aeventually(held_again)
            async for page in super().open_jobs(queue):
                yield page

    edges = Restoring(world.broker.connection, "default", ttl_s=1)
    restorer = Restorer(world.broker.connection, "default", Slow(world.archive), 60, edges)
    assert await restorer.restore()
    assert left


async def test_nothing_is_fired_or_claimed_while_redis_is_restored(world: World) -> None:
    await world.broker.schedules.schedule([rule("r")], await world.broker.now() - HOUR)
    await world.send("a")
    await world.send("b", due=await world.broker.now() + timedelta(milliseconds=1))
    await world.edges.begin_restore("9999999999999-0", 1)
    ticker = Ticker(world.broker)
    assert (await ticker.read_due()).found == ()
    assert await world.claim() == []
    assert (await world.broker.jobs.promote(10, 60)).count == 0
    assert await world.edges.end_restore("9999999999999-0", 1, {})
    assert len((await ticker.read_due()).found) == 1
    assert await world.claim() == [("a", 1, 1)]


async def test_a_row_that_cannot_be_read_stops_no_other(world: World) -> None:
    now = await world.broker.now()
    await world.broker.schedules.schedule([rule(key) for key in ("a", "b", "c", "ok")], now)
    for key in ("a", "b", "c", "ok"):
        await world.broker.schedules.pause(key, "why", now, None)
    for id in ("x", "y", "z"):
        await world.send(id)
    await world.record()
    async with world.archive.transaction() as connection:
        for text in (
            "UPDATE infinitas_schedules SET definition = '[5]' WHERE key = 'a'",
            "UPDATE infinitas_schedules SET definition = (SELECT definition FROM infinitas_schedules"
            " WHERE key = 'ok') WHERE key = 'b'",
            "UPDATE infinitas_schedule_notes SET facts = '5' WHERE schedule = 'c'",
            "UPDATE infinitas_jobs SET args = NULL WHERE id = 'x'",
            "UPDATE infinitas_jobs SET due_at = '0001-01-01', schedule = 'a' WHERE id = 'y'",
            "UPDATE infinitas_tasks SET definition = '5' WHERE name = 't'",
        ):
            if "0001" in text:
                await connection.execute("SELECT infinitas_ensure_month('0001-01-01')")
            await connection.execute(text.encode())
    world.redis.flushall()
    report = await world.restorer.restore()
    assert report is not None
    assert sorted(fault.partition(":")[0] for fault in report.faults) == [
        "job y",
        "schedule a",
        "schedule b",
        "task t",
    ]
    assert set(world.hashes("schedules")["schedules"]) == {"c", "ok"}
    assert set(world.hashes("paused")["paused"]) == {"ok"}
    await world.prepare()
    assert await world.claim(most=9) == [("z", 1001, 1)]
    assert (world.job("x")["state"], world.job("x")["reason"]) == ("failed", "lost")


async def test_a_redis_that_has_started_anew_is_compared_before_a_job_is_claimed(world: World) -> None:
    """It does not know the script of a claim."""
    assert await world.claim() == []
    await world.send("a")
    await world.record()
    older = world.copy()
    assert await world.claim() == [("a", 1, 1)]
    await world.broker.jobs.settle("w1", [settlement("a", 1)])
    await world.record()
    world.put_back(older)
    world.redis.script_flush()
    assert await world.claim() == []
    assert await world.claim() == []
    assert await world.restorer.restore()
    assert await world.claim() == []
    assert world.job("a")["state"] == "succeeded"

    await world.send("b")
    world.redis.script_flush()
    assert await world.claim() == []
    gate = RestoreGate(world.restorer)
    passes: list[bool] = []

    async def run_once() -> None:
        passes.append(await world.claim() == [("b", 1, 1)])

    while not passes:
        await gate.held(run_once)()
    assert passes == [True]


async def test_slots_that_wait_for_each_other_still_do(world: World) -> None:
    """A job that waits for the one before it goes on waiting; a slot that passed is left to the policy."""
    queueing = rule("r", overlap="queue", catch_up="none")
    past = await world.broker.now() - 3 * HOUR
    await world.broker.schedules.schedule([queueing], past)
    for _ in range(2):
        await world.fire(queueing)
    ((leader, _, _),) = await world.claim("t")
    await world.record()
    follower = world.job(leader)["follower"]
    async with world.archive.transaction() as connection:
        await connection.execute("UPDATE infinitas_schedules SET changed_at = %s", (past,))
    world.redis.flushall()
    await world.restore()
    await world.prepare()
    assert await world.claim(most=9) == [(leader, 1001, 1)]
    await world.broker.jobs.settle("w1", [settlement(leader, 1001)])
    assert await world.claim(most=9) == [(follower, 1001, 1)]
    ticker = Ticker(world.broker)
    await ticker.fire(await ticker.read_due())
    await world.record()
    states = "SELECT array_agg(state ORDER BY due_at) FROM infinitas_jobs WHERE schedule = 'r'"
    assert (await world.row(states))[0] == ["succeeded", "running", "missed"]


class DefectError(Exception): ...


class Defective(Restorable):
    async def generation(self, queue: str) -> tuple[str, int] | None:
        raise DefectError


async def test_a_gate_opens_also_where_nothing_can_be_compared(world: World) -> None:
    """A mistake in `postgres_url`, or one of ours, must not stop all slots."""
    mistaken = Restorable(Archive("postgresql://h/db?no_such_option=1", "test"))
    for archive in (mistaken, Defective(world.archive)):
        gate = RestoreGate(Restorer(world.broker.connection, "default", archive, 60), hold_s=0)
        passes: list[bool] = []

        async def run_once(passes: list[bool] = passes) -> None:
            passes.append(True)

        await gate.held(run_once)()
        assert passes == [True]
        with pytest.raises((ConfigError, DefectError)):  # Its loop logs it.
            await gate.run_once()
    assert await known_queues(world.broker.connection, mistaken)() >= {"default"}
    with pytest.raises(ConfigError, match="postgres_url"):
        RestoreArchive("postgresql://h/db?no_such_option=1")


async def test_slots_wait_for_an_absent_postgres_only_for_a_time(world: World) -> None:
    archive = Archive("postgresql://127.0.0.1:1/away", "test")
    away = Restorer(world.broker.connection, "default", Restorable(archive), 60)
    passes: list[str] = []

    async def run_once() -> None:
        passes.append((await world.edges.mark()).position)

    held = RestoreGate(away, hold_s=600).held(run_once)
    await world.edges.mark_archived("", "5-5")
    await held()
    assert passes == ["5-5"], "it seems to lack nothing"
    world.redis.flushall()
    await held()
    await held()
    assert passes == ["5-5"]
    await RestoreGate(away, hold_s=0).held(run_once)()
    assert passes == ["5-5", ""]
    await archive.close()


async def test_an_archiver_restores_before_it_records_what_came_since(world: World) -> None:
    await world.send("a")
    await world.record()
    position = await world.writer.position()
    world.redis.flushall()
    await world.prepare()
    await world.send("since")
    recorder = Recorder(world.stream, world.writer, world.restorer)
    await recorder.run_once()
    assert await world.writer.position() == position
    assert world.job("a")["state"] == "queued"
    await recorder.run_once()
    assert await world.row("SELECT count(*) FROM infinitas_jobs WHERE state = 'queued'") == (2,)
