"""An event that Postgres or Python refuses is set aside alone, and its neighbours are archived."""

from typing import Any

import psycopg
import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.limits import Limits
from infinitas.archive.reader import Reader
from infinitas.archive.writer import Writer
from infinitas.core.errors import ServerUnreachable
from infinitas.core.events import UNREADABLE, Event
from infinitas.core.states import State
from tests.archive.facts import DUE, event, other, row


def good(job: str) -> list[Event]:
    return [
        event(1, "created", args="[[],{}]", job=job),
        event(2, "running", attempt=1, worker="w", started=DUE + 2, job=job),
        event(900, "succeeded", attempt=1, worker="w", started=DUE + 2, job=job),
    ]


GOOD = good("good")
LONG = "".join(chr(0x4E00 + n * n % 19_997) for n in range(4_000))
DEEP = "[" * 200_000 + "]" * 200_000


REFUSED = {
    "a moment out of range": event(500, "created", due=10**17),
    "a moment that is no number": event(500, "created", due="soon"),
    "no due": other(500, "job.created", job="j", task="t"),
    "an attempt too large": event(500, "running", attempt=2**31),
    "an unknown state": event(500, "created", state="flying"),
    "an unknown kind of job event": event(500, "flown"),
    "an unknown family": other(500, "flight.begun"),
    "an entry that can't be read": other(500, UNREADABLE, type="job.running", jobs="{"),
    "arguments that are no JSON": event(500, "created", args="{"),
    "a result too deep": event(500, "succeeded", result=DEEP),
    "headers that are no JSON": event(500, "created", headers="\x00"),
    "an id too long for an index": event(500, "created", job=LONG),
    "a task too long for an index": event(500, "created", task=LONG),
    "lines that are no JSON": event(500, "logged", attempt=1, lines="["),
    "lines of another form": event(500, "logged", attempt=1, lines='[[1,2,"info"]]'),
    "a line beyond the calendar": event(500, "logged", attempt=1, lines='[[0,9007199254740991,"info","x"]]'),
    "a line of numbers": event(500, "logged", attempt=1, lines="[[0,0,1,2]]"),
    "a task without a name": other(500, "task.declared", definition="{}"),
    "a definition that is no JSON": other(500, "task.declared", task="u", definition="nope"),
    "a rule that is no JSON": other(500, "schedule.declared", schedule="s", task="t", definition="\x00"),
    "a note about nothing": other(500, "schedule.paused", record="{}"),
    "an audit without actor": other(500, "audit.task.put", target="t", reason="", origin=""),
}


async def test_one_that_is_refused_is_kept_raw_and_its_neighbours_arrive(
    archive: Archive, reader: Reader
) -> None:
    for number, (name, bad) in enumerate(REFUSED.items()):
        queue, id = f"q{number}", f"good{number}"
        begun, running, ended = good(id)
        refused = await Writer(archive, queue).write([begun, running, bad, ended], None, ended.position)
        assert [each.event for each in refused or ()] == [bad], name
        job = await reader.jobs.find(id)
        assert job is not None, name
        assert job.state == State.SUCCEEDED, name
        assert await Writer(archive, queue).position() == ended.position, name
        columns = "position, kind, error <> '', length(fields)"
        found = await row(archive, f"SELECT {columns} FROM infinitas_refused WHERE queue = '{queue}'")
        assert found[0] == bad.position, name
        assert found[1].endswith(bad.kind) or bad.kind == UNREADABLE, name
        assert found[2], name
        assert 1 < found[3] <= 64 * 1024, name
    assert await reader.refused.count() == {f"q{number}": 1 for number in range(len(REFUSED))}


CLEANED = {
    "level": event(500, "logged", attempt=1, job="good", lines='[[0,1,"in\\u0000fo","x"]]'),
    "worker": event(500, "running", attempt=2, worker="\x00", started=DUE, job="other"),
    "key, schedule, task and id": event(
        500, "created", key="\x00", schedule="\ud800", task="\x00", job="\x00"
    ),
    "reason, error, traceback": event(
        500, "failed", attempt=1, reason="\x00", error="\udfff", traceback="\x00"
    ),
    "JSON of arguments": event(500, "created", args='[["\x00"],{}]', headers='{"a":"\ud800"}'),
    "facts": other(500, "schedule.pau\x00sed", schedule="\x00", record="\ud800\x00"),
    "audit": other(500, "audit.task.put", actor="\x00", target="\ud800", reason="", origin="é\udc00"),
    "definition": other(500, "task.declared", task="\x00", definition='{"doc":"\x00\ud800"}'),
    "rule": other(500, "schedule.declared", schedule="\x00", task="\x00", definition='{"doc":"\x00"}'),
}


async def test_text_that_postgres_cannot_hold_is_cleaned_wherever_it_stands(
    archive: Archive, reader: Reader
) -> None:
    for number, (name, strange) in enumerate(CLEANED.items()):
        queue, id = f"q{number}", f"good{number}"
        begun, running, ended = good(id)
        events = [begun, running, strange, ended]
        assert await Writer(archive, queue).write(events, None, ended.position) == [], name
        assert await reader.jobs.find(id) is not None, name


async def test_what_follows_a_refused_event_still_makes_the_job_whole(
    archive: Archive, reader: Reader
) -> None:
    events = [
        event(1, "created", args="{"),
        event(2, "running", attempt=1, worker="w", started=DUE + 2),
        event(3, "succeeded", attempt=1, worker="w", started=DUE + 2, result="5"),
    ]
    refused = await Writer(archive, "default").write(events, None, events[-1].position)
    assert refused is not None
    assert [each.event for each in refused] == events[:1]
    job = await reader.jobs.find("j")
    assert job is not None
    assert (job.state, job.attempt, job.result, job.worker) == (State.SUCCEEDED, 1, 5, "w")
    assert await row(archive, "SELECT succeeded FROM infinitas_tasks") == (1,)


async def test_a_batch_with_a_few_bad_ones_is_divided_in_few_steps(
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored: list[int] = []
    whole = Writer._store

    async def counted(self: Writer, connection: Any, events: list[Event]) -> Any:
        stored.append(len(events))
        return await whole(self, connection, events)

    monkeypatch.setattr(Writer, "_store", counted)
    events = [
        event(n, "created", job=f"j{n}", args="[" if n in (100, 900) else "[[],{}]") for n in range(1024)
    ]
    refused = await Writer(archive, "default").write(events, None, events[-1].position)
    assert [each.event.fields["job"] for each in refused or ()] == ["j100", "j900"]
    assert len(stored) <= 2 + 2 * 2 * 10
    assert await row(archive, "SELECT count(*) FROM infinitas_jobs") == (1022,)


OUTAGES = [
    "ALTER TABLE infinitas_job_logs RENAME TO away",
    "ALTER TABLE infinitas_jobs DROP COLUMN result",
    "ALTER DATABASE {} SET default_transaction_read_only = on",
]


@pytest.mark.parametrize("broken", OUTAGES)
async def test_an_outage_sets_nothing_aside(archive: Archive, postgres_url: str, broken: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(broken.format(admin.info.dbname).encode())
    await archive.close()
    with pytest.raises(ServerUnreachable):
        await Writer(archive, "default").write(GOOD, None, GOOD[2].position)
    with psycopg.connect(postgres_url) as admin:
        assert admin.execute("SELECT count(*) FROM infinitas_refused").fetchone() == (0,)


async def test_an_outage_while_a_batch_is_divided_sets_nothing_aside(
    postgres_url: str, archive: Archive
) -> None:
    impatient = Archive(postgres_url, "test", Limits(lock_s=0.2))
    events = [*GOOD[:2], event(500, "created", args="{"), GOOD[2]]
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE infinitas_tasks IN EXCLUSIVE MODE")
        with pytest.raises(ServerUnreachable, match="lock timeout"):
            await Writer(impatient, "default").write(events, None, GOOD[2].position)
    refused = await Writer(impatient, "default").write(events, None, GOOD[2].position)
    assert [each.event for each in refused or ()] == [events[2]]
    await impatient.close()
