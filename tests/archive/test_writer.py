"""The archive on a real Postgres: exactly once, never backwards, and no text can stop it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.archive.reader import Reader
from infinitas.archive.writer import Writer
from infinitas.core.events import Event
from infinitas.core.states import State

DUE = 1_767_225_600_000


def event(number: int, kind: str, **fields: object) -> Event:
    text = {"job": "j", "task": "t", "due": str(DUE), **{k: str(v) for k, v in fields.items()}}
    return Event(position=f"{DUE + number}-0", kind=f"job.{kind}", at_ms=DUE + number, fields=text)


LIFE = [
    event(1, "created", args="[[1],{}]"),
    event(2, "running", attempt=1, worker="w", started=DUE + 2),
    event(3, "retrying", attempt=1, worker="w", started=DUE + 2, reason="error", error="first"),
    event(4, "queued"),
    event(5, "running", attempt=2, worker="x", started=DUE + 5),
    event(6, "logged", attempt=2, lines='[[0,1767225600006,"info","a\\u0000b"]]'),
    event(7, "succeeded", attempt=2, worker="x", started=DUE + 5, result='{"a":"\\u0000"}'),
]


@pytest.fixture
async def archive(postgres_url: str) -> AsyncIterator[Archive]:
    archive = Archive(postgres_url, "test")
    await migrate(archive)
    yield archive
    await archive.close()


@pytest.fixture
async def reader(postgres_url: str, archive: Archive) -> AsyncIterator[Reader]:
    reader = Reader(postgres_url, "test")
    yield reader
    await reader.close()


async def row(archive: Archive, sql: Any) -> Any:
    async with archive.transaction() as connection:
        return await (await connection.execute(sql)).fetchone()


async def test_migrations_are_applied_once(archive: Archive) -> None:
    assert await migrate(archive) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_a_life_is_the_same_however_it_is_cut_into_batches(
    archive: Archive, reader: Reader, size: int
) -> None:
    writer, before = Writer(archive, "default"), None
    for i in range(0, len(LIFE), size):
        events = LIFE[i : i + size]
        assert await writer.write(events, before, events[-1].position) == []
        before = events[-1].position
    job = await reader.find_job("j")
    assert job is not None
    assert (job.state, job.attempt, job.worker, job.args) == (State.SUCCEEDED, 2, "x", "[[1],{}]")
    assert job.result == '{"a":"\\u0000"}'
    assert [line.text for line in job.log] == ["a\\0b"]
    assert job.duration_ms == 2
    assert (job.error, job.reason) == (None, None), "the first attempt's error is the attempt's"
    attempts = await row(archive, "SELECT array_agg((attempt, outcome, error)::text) FROM infinitas_attempts")
    assert sorted(attempts[0]) == ["(1,failed,first)", "(2,succeeded,)"]
    last, success, failure = await reader.task_summary("t")
    assert last is not None
    assert success is not None
    assert (last.id, last.status, success.id, failure) == ("j", "succeeded", "j", None)
    assert await row(archive, "SELECT succeeded, failed FROM infinitas_tasks") == (1, 0)


async def test_two_archivers_count_nothing_twice(archive: Archive) -> None:
    first, second = Writer(archive, "default"), Writer(archive, "default")
    assert await first.write(LIFE, None, LIFE[-1].position) == []
    assert await second.write(LIFE, None, LIFE[-1].position) is None
    assert await second.write(LIFE, LIFE[0].position, LIFE[-1].position) is None
    assert await row(archive, "SELECT succeeded FROM infinitas_tasks") == (1,)
    assert await second.position() == LIFE[-1].position


async def test_a_job_never_moves_backwards(archive: Archive, reader: Reader) -> None:
    """As after a failover that replays events which the archive has seen."""
    writer = Writer(archive, "default")
    await writer.write(LIFE, None, "1-0")
    await writer.write(LIFE[:2], "1-0", "2-0")
    job = await reader.find_job("j")
    assert job is not None
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)


async def test_summaries_follow_time_not_arrival(archive: Archive, reader: Reader) -> None:
    def life(job: str, at: int, kind: str) -> list[Event]:
        return [
            event(at, "running", attempt=1, started=DUE + at, job=job),
            event(at + 1, kind, attempt=1, started=DUE + at, error="e", job=job),
        ]

    writer = Writer(archive, "default")
    await writer.write(life("late", 500, "failed"), None, "1-0")
    await writer.write(life("early", 10, "failed"), "1-0", "2-0")
    last, _, failure = await reader.task_summary("t")
    assert last is not None
    assert failure is not None
    assert (last.id, failure.id) == ("late", "late")
    assert await row(archive, "SELECT failed FROM infinitas_tasks") == (2,)
