"""A task moves to another queue or name: nothing runs twice or is left behind, wherever it is cut off."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from infinitas import Infinitas
from infinitas.broker.connection import Connection
from infinitas.broker.inspect.schedules import find_schedule
from infinitas.broker.messages import ClaimRequest, Declarer, NewJob
from infinitas.broker.moves import Moves
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ServerUnreachable
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_options import change_schedule, make_schedule
from infinitas.core.states import Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.devservers.servers import Urls
from infinitas.scheduler.task_mover import TaskMover
from tests.broker.test_jobs import new, settlement

OLD = "{infinitas:default}:"
SLOW = "{infinitas:slow}:"
TASK = TaskDefinition(name="t")
DAY = timedelta(days=1)
RETRY = Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=3_600_000)
WAITING = {"ready", "keyed", "delayed", "retrying", "slot", "expiring"}


class CutOff(Connection):
    """Breaks after a number of calls: the last one was carried out, its answer is lost."""

    left = -1

    async def run_script(self, name: str, queue: Any, **arguments: object) -> Any:
        return self._then_break(await super().run_script(name, queue, **arguments))

    async def command(self, name: str, *arguments: object, **options: object) -> Any:
        return self._then_break(await super().command(name, *arguments, **options))

    async def raw_command(self, *command: str) -> Any:
        return self._then_break(await super().raw_command(*command))

    def _then_break(self, answer: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise ServerUnreachable("cut off")
        return answer


@pytest.fixture
async def connection(servers: Urls, redis: Redis) -> AsyncIterator[CutOff]:
    connection = CutOff(servers.redis, "test")
    yield connection
    await connection.close()


def rule(key: str = "t", **options: Any) -> Schedule:
    return replace(Schedule(key=key, task="t", every_ms=3_600_000, anchor_ms=1), **options)


async def fill(connection: Connection) -> None:
    """A task in the default queue with a job in every state, and schedules with everything that one has."""
    broker = QueueBroker(connection, "default")
    now = await broker.now()
    await broker.declarations.declare([TASK], [rule()], Declarer(born=now - DAY, worker="old"))
    await broker.workers.join("old", ["t"], 60)
    await broker.jobs.enqueue([new("runs"), new("retrying")])
    claim = ClaimRequest("old", [["t"]], 2, 60)
    assert len((await broker.jobs.claim(claim)).jobs) == 2
    await broker.jobs.settle("old", [settlement("retrying", 1, RETRY)])
    await broker.jobs.enqueue(
        [
            new("ready"),
            NewJob(id="keyed", task="t", args="[[1],{}]", key="k", headers={"a": "b"}),
            NewJob(id="delayed", task="t", args="[[],{}]", due=now + DAY),
            NewJob(id="expiring", task="t", args="[[],{}]", expires_s=3600),
        ]
    )
    stored = await broker.schedules.find("t")
    assert stored is not None
    changed = replace(
        change_schedule(stored[0], now=now, options={"overlap": "queue"}), code_rule=stored[0].to_json()
    )
    await broker.schedules.schedule([changed], now, stored[1])
    await broker.schedules.pause("t", "why", now, None)
    await broker.schedules.skip("t", 3)
    own = [rule("todo-7", origin="api", max_runs=5), rule("todo-8", origin="api")]
    await broker.schedules.schedule(own, now)
    past = int(now.timestamp() * 1000) - 3_600_000
    await broker.schedules.backfill("todo-8", "t", "[[],{}]", 2, [(past, "slot"), (past + 1, "later-slot")])
    await broker.schedules.fill_backfill("todo-8", 1)
    await connection.command("hset", broker.keys["marks"], "t", past)
    await connection.command("hset", broker.keys["runs"], "todo-7", 2)


async def move(connection: Connection, name: str = "t", queue: str = "slow", **options: Any) -> None:
    """What a worker of the new code does at its start; it may be cut off."""
    broker = QueueBroker(connection, queue)
    task = TaskDefinition(name=name, queue=queue, **options)
    own = rule(name, task=name)
    await broker.workers.join("new", [name], 60)
    await broker.declarations.declare([task], [own], Declarer(born=await broker.now(), worker="new"))


def ids(redis: Redis, prefix: str, name: str = "t") -> set[str]:
    """Jobs in the stream and in `later` of a queue; each once."""
    entries: Any = redis.xrange(f"{prefix}stream:{name}")
    later: Any = redis.zrange(f"{prefix}later", 0, -1)
    ready = [fields["job"] for _, fields in entries]
    assert len(ready) == len(set(ready)), "a job is in its stream once"
    return {*ready, *later}


def check_all_is_in(redis: Redis, prefix: str, name: str = "t") -> None:
    assert ids(redis, prefix, name) >= WAITING
    for id in WAITING:
        fields: Any = redis.hgetall(f"{prefix}job:{id}")
        assert fields["task"] == name, id
    assert redis.hget(f"{prefix}keys:{name}", "k") == "keyed"
    keyed: Any = redis.hgetall(f"{prefix}job:keyed")
    assert (keyed["args"], keyed["headers"], keyed["state"]) == ("[[1],{}]", '{"a":"b"}', "queued")
    retrying: Any = redis.hgetall(f"{prefix}job:retrying")
    assert (retrying["state"], retrying["attempt"], retrying["error"]) == ("retrying", "1", "e")
    keys: Any = redis.hkeys(f"{prefix}schedules")
    assert sorted(keys) == sorted([name, "todo-7", "todo-8"])
    assert redis.hexists(f"{prefix}paused", name)
    assert redis.hget(f"{prefix}skips", name) == "3"
    assert redis.hget(f"{prefix}runs", "todo-7") == "2"
    assert redis.hexists(f"{prefix}marks", name)
    assert redis.llen(f"{prefix}backfill:todo-8") == 1
    assert '"overlap":"queue"' in str(redis.hget(f"{prefix}schedules", name)), "the override stays"


def check_nothing_is_left(redis: Redis, prefix: str, name: str = "t") -> None:
    assert redis.hget(f"{prefix}tasks", name) is None
    assert ids(redis, prefix, name) == {"runs"}
    assert not redis.exists(f"{prefix}departures", f"{prefix}backfill:todo-8", f"{prefix}keys:{name}")
    for kind in ("schedules", "due", "paused", "skips", "runs", "marks", "live", "backfills"):
        assert not redis.exists(f"{prefix}{kind}"), kind
    assert list(redis.scan_iter(f"{prefix}job:*")) == [f"{prefix}job:runs"]


async def test_a_task_moves_with_all_that_waits(connection: CutOff, redis: Redis) -> None:
    await fill(connection)
    slot = redis.zscore(f"{OLD}due", "t")
    await move(connection)
    check_all_is_in(redis, SLOW)
    check_nothing_is_left(redis, OLD)
    assert redis.zscore(f"{SLOW}due", "t") == slot
    found = await find_schedule(connection, "t")
    assert found is not None
    assert (found.queue, found.schedule.overridden) == ("slow", True)


async def test_a_running_job_ends_where_it_is_and_its_retry_follows(connection: CutOff, redis: Redis) -> None:
    await fill(connection)
    await move(connection)
    last_job = redis.hget(f"{OLD}task:t", "last_job")
    old = QueueBroker(connection, "default")
    await old.jobs.settle("old", [settlement("runs", 1, replace(RETRY, delay_ms=0))])
    assert (await old.jobs.promote(10, 60)).count
    await TaskMover(Moves(connection, "default")).move()
    assert "runs" in ids(redis, SLOW)
    assert not ids(redis, OLD)
    await TaskMover(Moves(connection, "default")).move()
    assert not redis.exists(f"{OLD}stream:t", f"{OLD}task:t", f"{OLD}recent:t", f"{OLD}bell:t")
    assert redis.hget(f"{SLOW}task:t", "last_job") == last_job, "its summary follows too"


@pytest.mark.parametrize("queue", ["slow", "default"])
async def test_a_renamed_task_takes_over_what_waits_under_its_former_name(
    connection: CutOff, redis: Redis, queue: str
) -> None:
    await fill(connection)
    await move(connection, "new", queue, aliases=("t",))
    prefix = f"{{infinitas:{queue}}}:"
    check_all_is_in(redis, prefix, "new")
    rules: Any = redis.hvals(f"{prefix}schedules")
    assert all('"task":"new"' in text for text in rules)
    assert '"task":"new"' in str(redis.hget(f"{prefix}backfills", "todo-8"))
    assert redis.hget(f"{OLD}tasks", "t") is None
    assert ids(redis, OLD, "t") >= {"runs"}


@pytest.mark.parametrize(("name", "queue"), [("t", "slow"), ("new", "slow"), ("new", "default")])
async def test_a_move_that_is_cut_off_anywhere_is_completed_by_the_next_start(
    connection: CutOff, redis: Redis, name: str, queue: str
) -> None:
    options: dict[str, Any] = {"aliases": ("t",)} if name != "t" else {}
    prefix = f"{{infinitas:{queue}}}:"
    for calls in itertools.count(1):
        redis.flushall()
        await fill(connection)
        connection.left = calls
        try:
            await move(connection, name, queue, **options)
            connection.left = -1
            break
        except ServerUnreachable:
            connection.left = -1
        await move(connection, name, queue, **options)
        await TaskMover(Moves(connection, "default")).move()
        check_all_is_in(redis, prefix, name)
        if queue != "default":
            check_nothing_is_left(redis, OLD)
    assert calls > 10


async def test_a_move_that_is_cut_off_is_completed_by_a_scheduler_alone(
    connection: CutOff, redis: Redis
) -> None:
    for calls in itertools.count(1):
        redis.flushall()
        await fill(connection)
        connection.left = calls
        try:
            await move(connection)
            connection.left = -1
            break
        except ServerUnreachable:
            connection.left = -1
        closed = not redis.hexists(f"{OLD}tasks", "t")
        await TaskMover(Moves(connection, "default")).move()
        if closed:
            check_all_is_in(redis, SLOW)
            check_nothing_is_left(redis, OLD)
        else:
            assert ids(redis, OLD) >= WAITING


@pytest.mark.damages
async def test_a_package_that_arrives_late_a_second_time_changes_nothing(
    connection: CutOff, redis: Redis
) -> None:
    """Another process has read it before it was deleted, and its job has ended and is gone meanwhile."""
    await fill(connection)
    moves = Moves(connection, "default")
    seen = await connection.raw_command("HGETALL", f"{OLD}departures")
    await move_out(connection)
    await moves.depart("ready", "0", 100, "t")
    seen = await connection.raw_command("HGETALL", f"{OLD}departures")
    ((field, package),) = seen.items()
    number = field.decode().split(" ")[0]
    assert await moves.carry() == 1
    redis.delete(*redis.scan_iter(f"{SLOW}job:*"), f"{SLOW}stream:t")
    assert not await moves.arrive("slow", number, package)
    assert not redis.exists(f"{SLOW}stream:t")


async def move_out(connection: Connection) -> None:
    from infinitas.broker.moves import Target
    from infinitas.broker.stored_rules import digest

    text = await connection.command("hget", f"{OLD}tasks", "t")
    assert await Moves(connection, "default").move_task("t", digest(text), Target("slow", "t"))


async def declare(connection: Connection, queue: str, worker: str, age: timedelta) -> None:
    broker = QueueBroker(connection, queue)
    now = await broker.now()
    own = make_schedule("* * * * *", key="t", task="t", now=now)
    task = TaskDefinition(name="t", queue=queue)
    await broker.declarations.declare([task], [own], Declarer(born=now - age, worker=worker))
    await broker.workers.join(worker, ["t"], 60)


def queue_of_schedule(redis: Redis) -> list[str]:
    return [queue for queue in ("default", "slow") if redis.hexists(f"{{infinitas:{queue}}}:schedules", "t")]


async def test_old_and_new_workers_side_by_side_never_both_have_the_schedule(
    connection: CutOff, redis: Redis
) -> None:
    await declare(connection, "default", "old", DAY)
    await declare(connection, "slow", "new", DAY / 2)
    assert queue_of_schedule(redis) == ["slow"]
    await declare(connection, "default", "old", DAY)
    assert queue_of_schedule(redis) == ["slow"], "an old worker that declares again turns nothing back"
    await declare(connection, "default", "old-again", timedelta())
    assert queue_of_schedule(redis) == ["default"], "one that was started again is the newest"
    await declare(connection, "slow", "new", DAY / 2)
    assert queue_of_schedule(redis) == ["default"]
    await QueueBroker(connection, "default").workers.leave("old-again", 60)
    await declare(connection, "slow", "new", DAY / 2)
    assert queue_of_schedule(redis) == ["slow"]
    await QueueBroker(connection, "slow").workers.leave("new", 60)
    await declare(connection, "default", "old", DAY)
    assert queue_of_schedule(redis) == ["default"], "a deploy that was taken back is taken back"


async def test_a_schedule_whose_job_runs_follows_when_that_has_ended(
    connection: CutOff, redis: Redis
) -> None:
    await declare(connection, "default", "old", DAY)
    broker = QueueBroker(connection, "default")
    await broker.jobs.enqueue([new("runs")])
    claim = ClaimRequest("old", [["t"]], 1, 60)
    assert (await broker.jobs.claim(claim)).jobs
    redis.hset(f"{OLD}live", "t", "runs")
    redis.hset(f"{OLD}job:runs", "schedule", "t")
    await declare(connection, "slow", "new", timedelta())
    assert queue_of_schedule(redis) == ["default"], "only there the overlap policy knows of the job"
    mover = TaskMover(Moves(connection, "default"))
    await mover.move()
    assert queue_of_schedule(redis) == ["default"]
    await broker.jobs.settle("old", [settlement("runs", 1)])
    await mover.move()
    assert queue_of_schedule(redis) == ["slow"]


@pytest.mark.parametrize(("name", "queue"), [("t", "slow"), ("new", "slow"), ("new", "default")])
async def test_a_sender_with_old_code_reaches_the_task_where_it_lives_now(
    make_app: Callable[..., Infinitas], connection: CutOff, redis: Redis, name: str, queue: str
) -> None:
    app = make_app()

    @app.task(name="t")
    def former() -> None: ...

    await fill(connection)
    await move(connection, name, queue, aliases=("t",) if name != "t" else ())
    sent = [await former.asend(), await asyncio.to_thread(former.send)]
    for handle in sent:
        job = await app.afetch_job(handle.id)
        assert (job.queue, job.task) == (queue, name)
    key = await app.aschedule(former, "@daily", key="late")
    assert key is not None
    assert (await app.schedules.aget("late")).schedule.task == name
    assert not redis.hexists(f"{OLD}tasks", "t")
