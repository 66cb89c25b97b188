"""No message twice and none lost: two notifiers, deaths between any two steps, outages, many events."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from redis import Redis

from infinitas import Infinitas, Plugin
from infinitas.archive.connection import Archive
from infinitas.broker.events import EventStream
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ServerUnreachable
from infinitas.core.incident import Incident
from infinitas.core.notify_rules import NotifyRule
from infinitas.notifier.hooks import Hooks
from infinitas.notifier.incident_recorder import BATCH
from infinitas.tasks.plugins import Plugins
from tests.notifier.parts import P, Parts, declare_many, notifier
from tests.support import PATIENCE_S, aeventually, running


class Died(BaseException):
    """Stands for kill -9: the connection is closed, and nothing more happens."""


class Deaths:
    """Ends the notifier at the n-th step in Postgres or Redis; `passed`: all steps came before it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left = 0
        for owner, name in (
            (psycopg.AsyncConnection, "execute"),
            (psycopg.AsyncConnection, "commit"),
            (psycopg.AsyncCursor, "executemany"),
            (EventStream, "read"),
            (EventStream, "trim"),
        ):
            monkeypatch.setattr(owner, name, self._mortal(getattr(owner, name)))

    def at(self, step: int) -> None:
        self._left = step

    @property
    def passed(self) -> bool:
        found, self._left = self._left > 0, 0
        return found

    def _mortal(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            self._step()
            result = await method(*arguments, **options)
            self._step()
            return result

        return call

    def _step(self) -> None:
        if self._left:
            self._left -= 1
            if not self._left:
                raise Died


def fail(redis: Any, task: str, ms: int, count: int = 3) -> None:
    for n in range(count):
        fields = {"type": "job.failed", "at": ms, "task": task, "job": f"{task}-{n}", "reason": "error"}
        redis.xadd(f"{P}events", fields)


async def test_a_notifier_that_dies_between_any_two_steps_loses_nothing_and_repeats_nothing(
    broker: QueueBroker, redis: Redis, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths(monkeypatch)
    async with notifier(broker, postgres_url) as parts:
        step, tasks = 0, []
        while True:
            step += 1
            mortal = Parts(broker, postgres_url)
            tasks.append(f"task-{step:03}")
            fail(redis, tasks[-1], parts.now_ms)
            deaths.at(step)
            try:
                await mortal.recorder.run_once()
                parts.query("UPDATE infinitas_announcements SET waits_since = waits_since - interval '1 s'")
                await mortal.composer.compose()
            except Died:
                assert not deaths.passed
            survived = deaths.passed
            await mortal.close()
            await parts.begin()
            await parts.follow()
            await parts.compose()
            if survived:
                break
        assert step > 30
        incidents = parts.incidents()
        assert [(each["subject"], each["count"]) for each in incidents] == [(task, 3) for task in tasks]
        notified = [each.incident.subject for notice in parts.notices() for each in notice.troubles]
        assert sorted(notified) == tasks


async def test_two_notifiers_at_once_count_and_notify_once(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    names = [f"task-{n}" for n in range(10)]
    await declare_many(broker, names)
    async with notifier(broker, postgres_url) as first, notifier(broker, postgres_url) as second:

        async def work(parts: Parts) -> None:
            while sum(each["count"] for each in parts.incidents()) < 200:
                await parts.recorder.run_once()
                await parts.composer.compose()
                await parts.sweeper.sweep()

        async def fail_jobs() -> None:
            for round in range(20):
                for name in names:
                    await first.run(1, task=name, first=round)

        await asyncio.gather(fail_jobs(), work(first), work(second))
        await asyncio.gather(first.compose(), second.compose())
        assert sum(each["count"] for each in first.incidents()) == 200
        notified = [each.incident.subject for notice in first.notices() for each in notice.troubles]
        assert sorted(notified) == names


async def test_while_postgres_is_away_nothing_is_lost(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        away = Archive("postgresql://nobody@127.0.0.1:1/none", "test")
        present, parts.recorder._archive = parts.recorder._archive, away
        await parts.run(5)
        for _ in range(3):
            with pytest.raises(ServerUnreachable):
                await parts.recorder.run_once()
        parts.recorder._archive = present
        await parts.follow()
        assert parts.incidents()[0]["count"] == 5
        assert len(await parts.compose()) == 1


async def test_many_events_at_once_are_read_in_bounded_batches(
    broker: QueueBroker, redis: Any, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of a hundred jobs each: what a worker that settles much writes."""
    found: list[int] = []
    read = EventStream.read

    async def counted(self: EventStream, *arguments: Any) -> Any:
        events = await read(self, *arguments)
        found.append(len(events))
        return events

    monkeypatch.setattr(EventStream, "read", counted)
    async with notifier(broker, postgres_url) as parts:
        jobs = "[" + ",".join(f'["j{n}","1","1","1"]' for n in range(100)) + "]"
        pipe = redis.pipeline(transaction=False)
        for _ in range(300):
            pipe.xadd(f"{P}events", {"type": "job.succeeded", "at": parts.now_ms, "task": "t", "jobs": jobs})
        pipe.execute()
        fail(redis, "t", parts.now_ms)
        await parts.follow()
        assert sum(found) >= 30_000
        assert max(found) <= BATCH + 100
        assert parts.incidents()[0]["count"] == 3


async def test_redis_keeps_what_the_notifier_has_not_read_and_drops_it_after(
    broker: QueueBroker, redis: Any, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        await parts.run(1)
        archiver = EventStream(broker.connection, "default", "archiver")
        await archiver.trim(await archiver.newest())
        assert redis.xlen(f"{P}events") > 1, "the notifier is a reader"
        await parts.follow()
        await parts.recorder.run_once()
        assert redis.xlen(f"{P}events") == 1


class Hearing(Plugin):
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def on_incident(self, incident: Incident) -> None:
        self.heard.append(("incident", incident.subject))

    def on_recovery(self, incident: Incident) -> None:
        self.heard.append(("recovery", incident.subject))
        raise ValueError("a hook that fails stops nothing")


async def test_plugins_get_each_incident_and_its_recovery(broker: QueueBroker, postgres_url: str) -> None:
    plugin = Hearing()
    await declare_many(broker, ["u"])
    async with notifier(broker, postgres_url, (), has_hooks=True) as parts:
        hooks = Hooks(parts.archive, Plugins([plugin]))
        await parts.run(2)
        await parts.follow()
        assert await hooks.call_next()
        assert not await hooks.call_next()
        await parts.succeed()
        await parts.run(1, task="u")
        await parts.succeed(task="u")
        await parts.follow()
        while await hooks.call_next():
            pass
        assert plugin.heard[:2] == [("incident", "t"), ("recovery", "t")]
        assert plugin.heard[2:] == [("incident", "u"), ("recovery", "u")], "a short one too"


async def test_a_failure_is_in_the_outbox_soon(make_app: Callable[..., Infinitas]) -> None:
    """The whole process, for thirty tasks with a channel each, so that none waits for another's message."""
    rules = [NotifyRule(name="all", channels=("ops",))]
    app = make_app(archive=True, notify=rules)

    def no() -> None:
        raise ValueError("no")

    tasks = [app.task(no, name=f"task-{n}", notify=[f"channel-{n}"]) for n in range(30)]
    url = app.settings.postgres_url or ""
    with psycopg.connect(url, autocommit=True) as connection:
        async with running(app, notifier=True):

            async def begun() -> bool:
                row = connection.execute("SELECT count(*) FROM infinitas_notifier_positions").fetchone()
                return row == (1,)

            await aeventually(begun)
            for task in tasks:
                await task.asend()

            async def notified() -> list[Any]:
                found = connection.execute(
                    "SELECT extract(epoch FROM n.created_at - i.last_at)::float8"
                    " FROM infinitas_notices AS n JOIN infinitas_incidents AS i"
                    " ON n.notice -> 'troubles' -> 0 -> 'incident' ->> 'id' = i.id"
                ).fetchall()
                return found if len(found) == 30 else []

            seconds = sorted(row[0] for row in await aeventually(notified))
    # On an idle machine the slowest takes 0.9 s.
    assert seconds[len(seconds) // 2] < PATIENCE_S / 10
