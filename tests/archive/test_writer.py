"""The writer on a real Postgres: each event once, no job moves backwards, no text stops it."""

import asyncio

import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.archive.reader import Reader
from infinitas.archive.writer import Writer
from infinitas.core.events import Event
from infinitas.core.states import State
from tests.archive.facts import DUE, event, other, row
from tests.support import aeventually

LIFE = [
    event(1, "created", args="[[1],{}]"),
    event(2, "running", attempt=1, worker="w", started=DUE + 2),
    event(3, "retrying", attempt=1, worker="w", started=DUE + 2, reason="error", error="first"),
    event(4, "queued"),
    event(5, "running", attempt=2, worker="x", started=DUE + 5),
    event(6, "logged", attempt=2, lines='[[0,1767225600006,"info","a\\u0000b"]]'),
    event(7, "succeeded", attempt=2, worker="x", started=DUE + 5, result='{"a":"\\u0000"}'),
]


async def test_migrations_are_applied_once(archive: Archive) -> None:
    assert await migrate(archive) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_batches_of_any_size_give_the_same_rows(archive: Archive, reader: Reader, size: int) -> None:
    writer, before = Writer(archive, "default"), None
    for i in range(0, len(LIFE), size):
        events = LIFE[i : i + size]
        assert await writer.write(events, before, events[-1].position) == []
        before = events[-1].position
    job = await reader.jobs.find("j")
    assert job is not None
    assert (job.state, job.attempt, job.worker, job.args_json) == (State.SUCCEEDED, 2, "x", "[[1],{}]")
    assert job.result_json == '{"a":"\\u0000"}'
    assert [line.text for line in job.log] == ["a\\0b"]
    assert job.duration == 0.002
    assert (job.error, job.reason) == (None, None), "the first attempt's error is the attempt's"
    attempts = await row(archive, "SELECT array_agg((attempt, outcome, error)::text) FROM infinitas_attempts")
    assert sorted(attempts[0]) == ["(1,failed,first)", "(2,succeeded,)"]
    last, success, failure = await reader.tasks.summary("t")
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


async def test_a_writer_that_waits_for_a_new_month_holds_no_table(
    archive: Archive, postgres_url: str
) -> None:
    """The writer that makes the month needs the tables alone: two that hold them would be a deadlock."""
    first, second = Archive(postgres_url, "first"), Archive(postgres_url, "second")
    locks = (
        "SELECT count(*) FILTER (WHERE granted AND relation = 'infinitas_jobs'::regclass) FROM pg_locks"
        " WHERE pid = (SELECT pid FROM pg_stat_activity WHERE application_name = 'infinitas:second'"
        " AND wait_event = 'advisory') HAVING count(*) > 0"
    )
    async with first.transaction() as connection:
        # As infinitas_ensure_month takes it.
        await connection.execute("SELECT pg_advisory_xact_lock(7596835238043679842)")
        writing = asyncio.create_task(Writer(second, "default").write(LIFE, None, LIFE[-1].position))
        assert await aeventually(lambda: row(archive, locks)) == (0,)
    assert await writing == []
    await first.close()
    await second.close()


async def test_a_job_never_moves_backwards(archive: Archive, reader: Reader) -> None:
    """As after a failover, when events are written again."""
    writer = Writer(archive, "default")
    await writer.write(LIFE, None, "1-0")
    await writer.write(LIFE[:2], "1-0", "2-0")
    job = await reader.jobs.find("j")
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
    last, _, failure = await reader.tasks.summary("t")
    assert last is not None
    assert failure is not None
    assert (last.id, failure.id) == ("late", "late")
    assert await row(archive, "SELECT failed FROM infinitas_tasks") == (2,)


async def test_a_job_that_ends_twice_after_redis_lost_its_last_second_counts_once(archive: Archive) -> None:
    """The same attempt ends again, by an event that is newer."""
    again = [
        event(8, "running", attempt=2, worker="y", started=DUE + 8),
        event(9, "succeeded", attempt=2, worker="y", started=DUE + 8),
    ]
    writer = Writer(archive, "default")
    await writer.write(LIFE, None, "1-0")
    await writer.write(again, "1-0", "2-0")
    assert await row(archive, "SELECT succeeded, failed FROM infinitas_tasks") == (1, 0)
    await writer.write([event(10, "failed", attempt=2, started=DUE + 8, error="e")], "2-0", "3-0")
    assert await row(archive, "SELECT succeeded, failed FROM infinitas_tasks") == (0, 1)


async def test_an_attempt_with_a_new_outcome_keeps_nothing_of_the_former(archive: Archive) -> None:
    writer = Writer(archive, "default")
    lost = event(
        3, "lost", attempt=1, worker="w", started=DUE + 2, reason="lost", error="died", traceback="t"
    )
    await writer.write([lost], None, "1-0")
    again = [event(4, "running", attempt=1, worker="x", started=DUE + 4)]
    await writer.write(again, "1-0", "2-0")
    query = "SELECT worker, outcome, reason, error, traceback, ended_at > started_at FROM infinitas_attempts"
    assert await row(archive, query) == ("w", "lost", "lost", "died", "t", True), "no second start"
    await writer.write([event(5, "succeeded", attempt=1, worker="x", started=DUE + 4)], "2-0", "3-0")
    assert await row(archive, query) == ("x", "succeeded", None, None, None, True)


RAN = [
    event(2, "running", attempt=1, started=DUE + 2, schedule="s"),
    event(3, "succeeded", attempt=1, started=DUE + 2, schedule="s"),
]
UNDONE = {
    "a slot that was fired again too late": [event(5, "missed", reason="catch_up", schedule="s")],
    "a slot that was fired again and left out": [event(5, "skipped", reason="overlap", schedule="s")],
    "a job that was made again and cancelled": [event(5, "created"), event(6, "cancelled", reason="r")],
    "a job that was made again": [event(5, "created", state="queued")],
    "a job that runs again": [event(5, "running", attempt=1, started=DUE + 5)],
    "a job that is handed back": [event(5, "released", attempt=1, started=DUE + 5)],
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("again", UNDONE.values(), ids=UNDONE)
async def test_what_has_run_is_not_undone(
    archive: Archive, reader: Reader, again: list[Event], together: bool
) -> None:
    writer = Writer(archive, "default")
    for i, events in enumerate([RAN + again] if together else [RAN, again]):
        await writer.write(events, f"{i}-0" if i else None, f"{i + 1}-0")
    job = await reader.jobs.find("j")
    assert job is not None
    assert (job.state, job.reason, job.duration) == (State.SUCCEEDED, None, 0.001)
    assert await row(archive, "SELECT succeeded, failed FROM infinitas_tasks") == (1, 0)


@pytest.mark.parametrize("size", [1, 2, 6])
async def test_a_job_that_a_person_revives_leaves_its_final_state(
    archive: Archive, reader: Reader, size: int
) -> None:
    life = [
        event(1, "running", attempt=1, started=DUE + 1),
        event(2, "failed", attempt=1, started=DUE + 1, error="e"),
        event(3, "revived", was="failed"),
        event(4, "cancelled", reason="r"),
        event(5, "revived", was="cancelled"),
        event(6, "running", attempt=2, started=DUE + 6),
    ]
    writer, before = Writer(archive, "default"), None
    for i in range(0, len(life), size):
        events = life[i : i + size]
        await writer.write(events, before, events[-1].position)
        before = events[-1].position
    job = await reader.jobs.find("j")
    assert job is not None
    assert (job.state, job.ended, job.attempt) == (State.RUNNING, None, 2)
    assert await row(archive, "SELECT succeeded, failed FROM infinitas_tasks") == (0, 0)


async def test_a_slot_that_was_missed_may_be_filled_later(archive: Archive, reader: Reader) -> None:
    writer = Writer(archive, "default")
    await writer.write([event(1, "missed", reason="catch_up", schedule="s")], None, "1-0")
    await writer.write([event(2, "created", schedule="s")], "1-0", "2-0")
    job = await reader.jobs.find("j")
    assert job is not None
    assert job.state == State.QUEUED


@pytest.mark.parametrize("size", [1, 3])
async def test_a_job_that_is_gone_from_redis_ends(archive: Archive, reader: Reader, size: int) -> None:
    writer, before = Writer(archive, "default"), None
    gone = [other(8, "entry.without_job", job="j", task="t"), other(9, "entry.without_job", job="unknown")]
    events = [*LIFE[:2], *gone]
    for i in range(0, len(events), size):
        part = events[i : i + size]
        assert await writer.write(part, before, part[-1].position) == []
        before = part[-1].position
    job = await reader.jobs.find("j")
    assert job is not None
    assert (job.state, job.reason, job.args_json) == (State.FAILED, "lost", "[[1],{}]")
    assert await row(archive, "SELECT failed FROM infinitas_tasks WHERE name = 't'") == (1,)
    assert await row(archive, "SELECT count(*) FROM infinitas_jobs") == (1,)


async def test_an_ended_job_that_is_gone_from_redis_stays_ended(archive: Archive, reader: Reader) -> None:
    writer = Writer(archive, "default")
    await writer.write(LIFE, None, LIFE[-1].position)
    late = other(9, "entry.without_job", job="j", task="t")
    await writer.write([late], LIFE[-1].position, late.position)
    job = await reader.jobs.find("j")
    assert job is not None
    assert job.state == State.SUCCEEDED
