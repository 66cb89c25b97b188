"""What no event reports: tasks without workers, long waits, slow jobs, long pauses."""

from datetime import timedelta
from typing import Any

import orjson
from redis import Redis

from infinitas.archive.writer import Writer
from infinitas.broker.events import EventStream
from infinitas.broker.messages import ClaimRequest, NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import SUCCEEDED
from tests.notifier.parts import P, Parts, declare, notifier


async def enqueue(broker: QueueBroker, id: str = "j") -> None:
    await broker.jobs.enqueue([NewJob(id=id, task="t", args="[[],{}]")])


async def claim(broker: QueueBroker) -> None:
    await broker.jobs.claim(ClaimRequest("w1", [["t"]], 1, 60))


def earlier(redis: Any, field: str, seconds: float) -> None:
    redis.hset(f"{P}job:j", field, int(redis.hget(f"{P}job:j", field)) - round(seconds * 1000))


async def test_a_task_that_no_worker_serves_while_jobs_wait(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        await parts.checker.check()
        assert parts.incidents() == []
        redis.delete(f"{P}processors")
        await parts.checker.check()
        assert parts.incidents() == [], "nothing waits for a worker"
        await enqueue(broker)
        await parts.checker.check()
        await parts.checker.check()
        (incident,) = parts.incidents()
        assert (incident["kind"], incident["count"]) == ("no_worker", 1), "found again, counted once"
        assert incident["error"] == "No live worker has the task: 1 job ready."
        await broker.workers.join("w3", ["t"], 60)
        await parts.follow()
        assert parts.open_kinds() == []


async def test_a_scheduled_task_without_a_worker_stays_an_incident_until_one_joins(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    redis.hdel(f"{P}tasks", "t")
    rule = Schedule(key="t", task="t", every_ms=3_600_000)
    await broker.declarations.declare([TaskDefinition(name="t")], [rule])
    async with notifier(broker, postgres_url) as parts:
        redis.delete(f"{P}processors")
        await parts.checker.check()
        await parts.checker.check()
        assert parts.open_kinds() == ["no_worker"]
        await broker.workers.join("w3", ["t"], 60)
        await parts.checker.check()
        assert parts.open_kinds() == []


async def test_jobs_that_wait_too_long_are_a_backlog(
    broker: QueueBroker, redis: Any, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        ms = int(redis.time()[0]) * 1000 - 301_000
        redis.xadd(f"{P}stream:t", {"job": "old"}, id=f"{ms}-0")
        await parts.checker.check()
        (incident,) = parts.incidents()
        assert incident["kind"] == "backlog"
        assert incident["error"].startswith("1 job ready; the first has waited for 5m")
        redis.delete(f"{P}stream:t")
        await parts.checker.check()
        assert parts.open_kinds() == []


async def test_a_job_over_slow_after_is_slow_until_it_ends(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    await declare(broker, redis, slow_after=60)
    async with notifier(broker, postgres_url) as parts:
        await enqueue(broker)
        await claim(broker)
        await parts.checker.check()
        assert parts.incidents() == []
        earlier(redis, "started", 61)
        await parts.checker.check()
        (incident,) = parts.incidents()
        assert (incident["kind"], incident["job"], incident["worker"]) == ("slow", "j", "w1")
        assert incident["error"] == "It has run for 1m 1s; slow_after is 1m."
        redis.delete(f"{P}stream:t")
        await parts.checker.check()
        assert parts.open_kinds() == []


async def test_a_job_that_takes_a_multiple_of_the_usual_duration_is_slow(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        await parts.run(20, SUCCEEDED)
        events = await EventStream(broker.connection, "default", "test").read("0-0", 10_000)
        await Writer(parts.archive, "default").write(events, None, events[-1].position)
        parts.query("UPDATE infinitas_jobs SET ended_at = started_at + interval '2 seconds'")
        await enqueue(broker)
        await claim(broker)
        earlier(redis, "started", 5)
        await parts.checker.check()
        assert parts.incidents() == []
        earlier(redis, "started", 2)
        await parts.checker.check()
        (incident,) = parts.incidents()
        assert incident["error"] == "It has run for 7s; 3 times the usual duration is 6s."


async def test_a_pause_without_an_end(broker: QueueBroker, redis: Any, postgres_url: str) -> None:
    rule = Schedule(key="cleanup", task="t", every_ms=3_600_000, origin="api")
    async with notifier(broker, postgres_url) as parts:
        redis.hset(f"{P}schedules", "cleanup", rule.to_json())
        now_ms = int(redis.time()[0]) * 1000
        week = round(timedelta(days=7).total_seconds() * 1000)
        for key, since, until in (("cleanup", now_ms - week, None), ("b", now_ms - week, now_ms + week)):
            redis.hset(f"{P}paused", key, orjson.dumps({"reason": "x", "since": since, "until": until}))
        await parts.checker.check()
        (incident,) = parts.incidents()
        assert (incident["kind"], incident["subject"], incident["task"]) == (
            "paused_too_long",
            "cleanup",
            "t",
        )
        redis.xadd(f"{P}events", {"type": "schedule.resumed", "at": now_ms + 1000, "schedule": "cleanup"})
        await parts.follow()
        assert parts.open_kinds() == []


async def test_a_lost_worker_is_over_once_every_task_has_a_worker(
    broker: QueueBroker, redis: Any, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        at = int(redis.time()[0]) * 1000 - 20_000
        redis.xadd(f"{P}events", {"type": "worker.lost", "at": at, "worker": "w9"})
        await parts.follow()
        await parts.checker.check()
        assert parts.open_kinds() == ["worker_lost"], "for a minute at least"
        parts.query("UPDATE infinitas_incidents SET last_at = last_at - interval '50 seconds'")
        await parts.checker.check()
        assert parts.open_kinds() == []


async def test_one_of_two_notifiers_checks_and_the_other_goes_on_when_it_is_silent(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as first:
        second = Parts(broker, postgres_url)
        redis.delete(f"{P}processors")
        await enqueue(broker)
        await first.checker.check()
        assert not await second.checker.check()
        first.query("UPDATE infinitas_notifier_positions SET checked_at = checked_at - interval '16 seconds'")
        await second.checker.check()
        assert second.checker._mine
        assert not await first.checker.check(), "what it found is old"
        assert len(first.incidents()) == 1
        await second.close()
