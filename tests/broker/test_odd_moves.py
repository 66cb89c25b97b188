"""Moves of tasks with names, schedules and jobs that are easily confused."""

from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis

from infinitas.broker.messages import ClaimRequest, Declarer, NewJob
from infinitas.broker.moves import Moves
from infinitas.broker.queue import QueueBroker
from infinitas.core.task_definition import TaskDefinition
from tests.broker.test_jobs import new, settlement
from tests.broker.test_moves import DAY, OLD, RETRY, SLOW, ids, move, rule


async def declare(broker: QueueBroker, *names: str) -> None:
    tasks = [TaskDefinition(name=name) for name in names]
    await broker.declarations.declare(tasks, [], Declarer(born=await broker.now() - DAY, worker="old"))
    await broker.workers.join("old", list(names), 60)


@pytest.mark.parametrize("name", ["later", "schedules", "ready", "moved", "a b", "t:x", "æ", "0", "-"])
async def test_a_task_moves_whatever_its_name_is(broker: QueueBroker, redis: Redis, name: str) -> None:
    await declare(broker, name)
    await broker.jobs.enqueue(
        [new("a", name), NewJob(id="b", task=name, args="[[],{}]", due=await broker.now() + DAY)]
    )
    await move(broker.connection, name)
    assert ids(redis, SLOW, name) == {"a", "b"}
    assert not ids(redis, OLD, name)


async def test_a_retry_that_moves_does_not_wait_for_code_in_the_former_queue(
    broker: QueueBroker, redis: Redis
) -> None:
    """The code of its first attempt still runs in a thread, and its end is not known here."""
    await declare(broker, "t")
    await broker.jobs.enqueue([NewJob(id="j", task="t", args="[[],{}]", key="k")])
    assert (await broker.jobs.claim(ClaimRequest("old", [["t"]], 1, 60))).jobs
    await broker.jobs.settle("old", [replace(settlement("j", 1, replace(RETRY, delay_ms=0)), lingers=True)])
    await move(broker.connection)
    slow = QueueBroker(broker.connection, "slow")
    await slow.jobs.promote(10, 60)
    assert (await slow.jobs.claim(ClaimRequest("new", [["t"]], 1, 60))).jobs
    await slow.jobs.settle("new", [settlement("j", 2)])
    assert redis.pttl(f"{SLOW}job:j") > 0
    assert not redis.hexists(f"{SLOW}keys:t", "k")


@pytest.mark.parametrize("moves", ["former", "present"])
async def test_a_schedule_that_changed_its_task_moves_with_the_present_one(
    broker: QueueBroker, redis: Redis, moves: str
) -> None:
    """A job of its former task waits when one of the two tasks moves."""
    former, present = ("t", "u") if moves == "former" else ("u", "t")
    await declare(broker, "t", "u")
    now = await broker.now()
    own = rule("k", origin="api", task=former)
    await broker.schedules.schedule([own], now - DAY)
    await broker.schedules.settle_past("k")
    (job,) = ids(redis, OLD, former)
    await broker.schedules.schedule([replace(own, task=present)], now, replace=True)
    await move(broker.connection)
    where, other = (OLD, SLOW) if moves == "former" else (SLOW, OLD)
    assert redis.hexists(f"{where}schedules", "k")
    assert job in ids(redis, other, former)


@pytest.mark.parametrize("due", [None, DAY])
async def test_large_jobs_move_in_packages_that_redis_unpacks_quickly(
    broker: QueueBroker, redis: Redis, monkeypatch: pytest.MonkeyPatch, due: timedelta | None
) -> None:
    sizes: list[int] = []
    arrive = Moves.arrive

    async def measured(moves: Moves, to: str, number: str, package: bytes) -> bool:
        sizes.append(len(package))
        return await arrive(moves, to, number, package)

    await declare(broker, "t")
    moment = await broker.now() + due if due else None
    args = f'[["{"x" * 250_000}"],{{}}]'
    await broker.jobs.enqueue([NewJob(id=f"j{i}", task="t", args=args, due=moment) for i in range(20)])
    monkeypatch.setattr(Moves, "arrive", measured)
    await move(broker.connection)
    assert ids(redis, SLOW) == {f"j{i}" for i in range(20)}
    assert not ids(redis, OLD)
    assert max(sizes) < 1_500_000


@pytest.mark.damages
async def test_records_that_cannot_be_read_hold_up_no_other(broker: QueueBroker, redis: Redis) -> None:
    await declare(broker, "t")
    await broker.jobs.enqueue([new("a"), new("b")])
    await broker.schedules.schedule([rule("k", origin="api")], await broker.now())
    redis.hset(f"{OLD}job:a", "headers", b"\xff\xfe")
    redis.hset(f"{OLD}backfills", "k", "{no plan")
    await move(broker.connection, "new", aliases=("t",))
    assert ids(redis, SLOW, "new") == {"a", "b"}
    assert redis.hexists(f"{SLOW}schedules", "k")
