"""The recorder, pass by pass: how much it reads at once, and what it leaves in the stream."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.archive.limits import Limits
from infinitas.archive.migrate import migrate
from infinitas.archive.restorable import Restorable
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import BATCH, FEWEST_ENTRIES, Recorder
from infinitas.broker.events import EventStream
from infinitas.broker.messages import ClaimRequest, NewJob, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ServerUnreachable
from infinitas.core.events import Event
from infinitas.core.verdict import SUCCEEDED
from infinitas.monitor.restorer import Restorer

EVENTS = "{infinitas:default}:events"


class CountingStream(EventStream):
    """The real stream; `requested` has the entries that each read wanted, `found` the events it returned."""

    requested: list[int]
    found: list[int]

    async def read(
        self, after: str, count: int, block_ms: int | None = None, most: float = math.inf
    ) -> list[Event]:
        events = await super().read(after, count, block_ms, most)
        self.requested.append(count)
        self.found.append(len(events))
        return events


@dataclass
class Parts:
    stream: CountingStream
    writer: Writer
    restorer: Restorer

    def recorder(self) -> Recorder:
        return Recorder(self.stream, self.writer, self.restorer)


@pytest.fixture
async def parts(broker: QueueBroker, postgres_url: str) -> AsyncIterator[Parts]:
    archive = Archive(postgres_url, "test", Limits(lock_s=0.2))
    await migrate(archive)
    stream = CountingStream(broker.connection, "default", "archiver")
    stream.requested, stream.found = [], []
    restorer = Restorer(broker.connection, "default", Restorable(archive), 60)
    yield Parts(stream, Writer(archive, "default"), restorer)
    await archive.close()


async def run_jobs(broker: QueueBroker, count: int, at_once: int) -> None:
    await broker.jobs.enqueue([NewJob(id=f"j{n:05}", task="t", args="[[],{}]") for n in range(count)])
    while jobs := (await broker.jobs.claim(ClaimRequest("w1", [["t"]], at_once, 60))).jobs:
        ends = [Settlement(job=job.id, attempt=1, verdict=SUCCEEDED, ttl_s=60) for job in jobs]
        await broker.jobs.settle("w1", ends)


async def test_the_next_archiver_trims_what_a_killed_one_has_recorded(
    broker: QueueBroker, redis: Redis, parts: Parts
) -> None:
    await run_jobs(broker, 3, 3)
    first = parts.recorder()
    while await parts.writer.position() != (await parts.stream.newest()):
        await first.run_once()
    assert redis.xlen(EVENTS) > 1
    second = parts.recorder()
    while redis.xlen(EVENTS) > 1:
        await second.run_once()


async def test_a_batch_has_about_as_many_events_for_small_and_large_entries(
    broker: QueueBroker, redis: Redis, parts: Parts
) -> None:
    """Ten thousand entries of one event each, then two hundred of a hundred each."""
    await run_jobs(broker, 10_000, 100)
    recorder = parts.recorder()
    while await parts.writer.position() != (await parts.stream.newest()):
        await recorder.run_once()
    assert parts.stream.requested[0] == FEWEST_ENTRIES
    assert BATCH in parts.stream.requested, "of single ones"
    assert parts.stream.requested[-1] < BATCH, "of many in one"
    assert max(parts.stream.found) < BATCH + 100
    assert sum(parts.stream.found) >= 30_000


async def test_a_refused_event_is_logged_with_position_kind_job_and_reason(
    broker: QueueBroker, redis: Redis, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    bad: dict[Any, Any] = {
        "type": "job.created",
        "at": "1",
        "job": "j1",
        "task": "t",
        "due": "10000000000000000000",
    }
    position = str(redis.xadd(EVENTS, bad))
    await run_jobs(broker, 3, 3)
    recorder = parts.recorder()
    while await parts.writer.position() != (await parts.stream.newest()):
        await recorder.run_once()
    (logged,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    for fact in (position, "queue default", "job.created", "'j1'", "no time that the archive can hold"):
        assert fact in logged


async def test_a_batch_that_takes_too_long_is_retried_as_a_smaller_one(
    broker: QueueBroker, redis: Redis, postgres_url: str, parts: Parts
) -> None:
    await run_jobs(broker, 2_000, 1)
    recorder = parts.recorder()
    with psycopg.connect(postgres_url) as other:
        while not parts.stream.found or parts.stream.found[-1] < BATCH / 2:
            await recorder.run_once()
        other.execute("LOCK TABLE infinitas_jobs IN EXCLUSIVE MODE")
        for _ in range(2):
            with pytest.raises(ServerUnreachable, match="lock timeout"):
                await recorder.run_once()
    await recorder.run_once()
    assert max(parts.stream.found[-2:]) <= BATCH / 2
    assert parts.stream.found[-1] <= BATCH / 4
    while await parts.writer.position() != (await parts.stream.newest()):
        await recorder.run_once()
