"""A notifier's parts, run pass by pass on real servers."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.broker.messages import ClaimRequest, NewJob, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.notice import Notice
from infinitas.core.notice_groups import Limit
from infinitas.core.notice_json import notice_from_json
from infinitas.core.notify_rules import NotifyRule
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import SUCCEEDED, Verdict
from infinitas.monitor.load_checks import CheckLimits
from infinitas.notifier.announcer import Announcer
from infinitas.notifier.checker import Checker
from infinitas.notifier.composer import Composer
from infinitas.notifier.incident_recorder import IncidentRecorder
from infinitas.notifier.sweeper import Sweeper
from infinitas.notifier.task_options import TaskOptions
from infinitas.notifier.troubles import Troubles

P = "{infinitas:default}:"
ALL_TO_OPS = NotifyRule(name="all", channels=("ops",))
AT_ONCE = Limit(1_000, timedelta(hours=1), timedelta(0))
FAILED = Verdict(state=State.FAILED, reason="error", error="ConnectionError: crm.local:443")
LIMITS = CheckLimits(
    backlog=timedelta(seconds=300),
    slow_factor=3.0,
    paused=timedelta(days=7),
    lacking=timedelta(0),
    least_slow=timedelta(0),
)


class Parts:
    """One notifier of the default queue."""

    def __init__(
        self,
        broker: QueueBroker,
        url: str,
        rules: Sequence[NotifyRule] = (ALL_TO_OPS,),
        limit: Limit = AT_ONCE,
        *,
        has_hooks: bool = False,
    ) -> None:
        self.broker = broker
        self.archive = Archive(url, "test")
        self.options = TaskOptions(broker.connection)
        self.announcer = Announcer(rules, self.options, has_hooks=has_hooks)
        self.recorder = IncidentRecorder(
            broker.connection, "default", self.archive, self.announcer, self.options
        )
        self.checker = Checker(broker.connection, "default", self.archive, self.announcer, LIMITS)
        self.sweeper = Sweeper(self.archive, self.announcer)
        troubles = Troubles(broker.connection, "https://infinitas.example")
        self.composer = Composer(self.archive, troubles, limit, asyncio.Event())
        self._url = url
        self._rows: psycopg.Connection[dict[str, Any]] | None = None

    async def begin(self) -> None:
        self.recorder._position = await self.recorder._begin()

    async def close(self) -> None:
        await self.archive.close()
        if self._rows is not None:
            self._rows.close()

    async def follow(self) -> None:
        """Apply all events that there are."""
        newest = await self.recorder._stream.newest()
        while self.position != newest:
            await self.recorder.run_once()

    async def compose(self) -> list[Notice]:
        """What is sent now: without the half second that is for others to join."""
        self.query("UPDATE infinitas_announcements SET waits_since = waits_since - interval '1 second'")
        before = {notice.id for notice in self.notices()}
        await self.composer.compose()
        return [notice for notice in self.notices() if notice.id not in before]

    @property
    def now_ms(self) -> int:
        return round(time.time() * 1000)

    @property
    def position(self) -> str:
        return str(self.query("SELECT position FROM infinitas_notifier_positions")[0]["position"])

    def incidents(self, where: str = "true") -> list[dict[str, Any]]:
        return self.query(f"SELECT * FROM infinitas_incidents WHERE {where} ORDER BY opened_at, id")

    def open_kinds(self) -> list[str]:
        return sorted(each["kind"] for each in self.incidents("closed_at IS NULL"))

    def notices(self) -> list[Notice]:
        rows = self.query("SELECT notice::text FROM infinitas_notices ORDER BY created_at, id")
        return [notice_from_json(row["notice"]) for row in rows]

    def query(self, text: str) -> list[dict[str, Any]]:
        if self._rows is None:
            self._rows = psycopg.connect(self._url, autocommit=True, row_factory=dict_row)
        cursor = self._rows.execute(text.encode())
        return cursor.fetchall() if cursor.description else []

    async def run(self, count: int = 1, verdict: Verdict = FAILED, task: str = "t", first: int = 0) -> None:
        """Run so many jobs of a task, which end like this."""
        jobs = [NewJob(id=f"{task}-{first + n}", task=task, args="[[7],{}]") for n in range(count)]
        await self.broker.jobs.enqueue(jobs)
        left = count
        while left:
            claimed = await self.broker.jobs.claim(ClaimRequest("w1", [[task]], min(left, 100), 60))
            ends = [Settlement(job=each.id, attempt=1, verdict=verdict, ttl_s=60) for each in claimed.jobs]
            await self.broker.jobs.settle("w1", ends)
            left -= len(ends)

    async def succeed(self, task: str = "t", first: int = 1_000_000) -> None:
        await self.run(1, SUCCEEDED, task, first)


@asynccontextmanager
async def notifier(broker: QueueBroker, url: str, *given: Any, **options: Any) -> AsyncIterator[Parts]:
    """A notifier that has begun."""
    parts = Parts(broker, url, *given, **options)
    try:
        await parts.begin()
        yield parts
    finally:
        await parts.close()


async def declare(broker: QueueBroker, redis: Redis, **options: Any) -> None:
    """The task `t` with these options, in place of the fixture's."""
    redis.hdel(f"{P}tasks", "t")
    await broker.declarations.declare([TaskDefinition(name="t", **options)], [])


async def declare_many(broker: QueueBroker, names: Sequence[str]) -> None:
    await broker.declarations.declare([TaskDefinition(name=name) for name in names], [])
    await broker.workers.join("w1", list(names), 60)
