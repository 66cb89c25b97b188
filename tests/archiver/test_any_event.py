"""Any event, of any kind, with any fields: the position passes it, and a good job beside it is archived."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.archive.reader import Reader
from infinitas.archive.restorable import Restorable
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import Recorder
from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream, expand
from infinitas.broker.queue import QueueBroker
from infinitas.core.codec import to_ms
from infinitas.core.events import UNREADABLE
from infinitas.core.history import fold
from infinitas.core.job_filter import JobFilter
from infinitas.core.states import State
from infinitas.devservers.servers import Urls
from infinitas.monitor.restorer import Restorer
from tests.archive.facts import row
from tests.archiver.kinds import DUE, KINDS
from tests.support import PATIENCE_S

EVENTS = "{infinitas:default}:events"
DEEP = "[" * 20_000 + "]" * 20_000
STRANGE = [
    "", " ", "\x00", "a\x00b", "\\u0000", '"\\u0000"', '"\\ud800"', "\u2028", "\U0001f98a", "null", "true",
    "{", "[]", "{}", "-1", "0", "1e3", "1.5", "NaN", "Infinity", "9" * 30, "9" * 5_000,
    str(2**31),
    str(2**63), str(2**64),
    "253402300800000", "9007199254740991", "-62135596800001", "١٢٣", "x" * 300_000, DEEP, '["a"]', "[[1,2]]",
    '[["j","1","1"]]', '[["j"]]', "[[]]", "[null]", '[[0,253402300800000,"info","x"]]',
    '[[0,1,"in\\u0000fo","\\u0000"]]', '[[99999999999,1,"info","x"]]', '[[true,null,1,{}]]',
    '[["k","253402300800000","1"],["k","1767225600000","x"]]',
    "'; DROP TABLE infinitas_jobs; --", "%s", "{lock_ms}", "succeeded", "running", "revived",
]  # fmt: skip
values = st.one_of(st.sampled_from(STRANGE), st.text(max_size=30), st.integers().map(str))


@st.composite
def entries(draw: st.DrawFn) -> dict[str, str]:
    """An entry of any kind with some of its fields changed, dropped or added."""
    kind = draw(st.sampled_from([*KINDS, "job.flown", "flight.begun", ""]))
    fields = {"type": kind, "at": DUE, **KINDS.get(kind, {"job": "j", "task": "t", "due": DUE})}
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)):
        fields[name] = draw(values)
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True)):
        del fields[name]
    return {
        **fields,
        **draw(st.dictionaries(st.sampled_from(["jobs", "state", "x\x00"]), values, max_size=1)),
    }


@pytest.mark.parametrize("jobs", ["[]", "5", "{", '[["j"]]', "[[]]"])
def test_every_entry_is_at_least_one_event(jobs: str) -> None:
    """Otherwise the position would not pass it."""
    (found,) = expand("1-0", {"type": "job.running", "at": DUE, "task": "t", "jobs": jobs})
    assert (found.kind, found.position) == (UNREADABLE, "1-0")
    assert fold("default", [found]).refused[0].kind == "job.running"


class Pipeline:
    """A real stream, a real recorder, a real Postgres."""

    def __init__(self, redis: Redis, connection: Connection, archive: Archive, reader: Reader) -> None:
        self.redis, self.archive, self.reader = redis, archive, reader
        self.stream = EventStream(connection, "default", "archiver")
        restorer = Restorer(connection, "default", Restorable(archive), 60)
        self.recorder = Recorder(self.stream, Writer(archive, "default"), restorer)
        self.count = 0

    async def record(self, strange: list[dict[str, str]]) -> None:
        """Record strange entries between the events of a good job."""
        self.count += 1
        job = f"good{self.count}"
        together = {"task": "good", "worker": "w", "at": DUE}
        good = [
            {"type": "job.created", "job": job, "task": "good", "due": DUE, "args": "[[],{}]", "at": DUE},
            {"type": "job.running", "jobs": f'[["{job}","{DUE}","1"]]', **together},
            {"type": "job.succeeded", "jobs": f'[["{job}","{DUE}","1","{DUE}"]]', **together},
        ]
        pipe = self.redis.pipeline()
        middle = len(strange) // 2
        for fields in (good[0], *strange[:middle], good[1], *strange[middle:], good[2]):
            # Lone surrogates need surrogatepass, and Redis holds no entry without a field.
            pipe.xadd(EVENTS, {k: v.encode("utf-8", "surrogatepass") for k, v in fields.items()} or {"": ""})
        pipe.execute()
        newest = await self.stream.newest()
        for _ in range(len(strange) + 5):
            await asyncio.wait_for(self.recorder.run_once(), PATIENCE_S)
            if await Writer(self.archive, "default").position() == newest:
                break
        assert await Writer(self.archive, "default").position() == newest
        found = await self.reader.jobs.find(job)
        assert found is not None
        assert found.state == State.SUCCEEDED
        assert found.args == []
        await self.reader.jobs.page(JobFilter(), None, 500)
        await self.reader.jobs.find("j")


@pytest.fixture
async def pipeline(broker: QueueBroker, redis: Redis, postgres_url: str) -> AsyncIterator[Pipeline]:
    archive, reader = Archive(postgres_url, "test"), Reader(postgres_url, "test")
    await migrate(archive)
    yield Pipeline(redis, broker.connection, archive, reader)
    await reader.close()
    await archive.close()


async def test_every_strange_value_in_every_field_of_every_kind(pipeline: Pipeline) -> None:
    strange = []
    for kind, fields in KINDS.items():
        whole = {"type": kind, "at": DUE, **fields}
        strange += [{name: whole[name] for name in whole if name != left_out} for left_out in whole]
        for name in whole:
            # The largest values are tried in a few places only, below.
            strange += [{**whole, name: value} for value in STRANGE if len(value) < 1_000]
        strange += [{**whole, list(whole)[-1]: value} for value in (DEEP, "x" * 300_000)]
    for i in range(0, len(strange), 300):
        await pipeline.record(strange[i : i + 300])


async def test_jobs_due_in_thousands_of_months_need_few_partitions(pipeline: Pipeline, redis: Redis) -> None:
    """A query by id locks every partition, and Postgres has locks for some thousands."""
    months = [f"{year}-{month:02}-01T00:00+00:00" for year in range(1970, 8999, 5) for month in (1, 7)]
    born = {"type": "job.created", "at": DUE, "task": "t", "args": "[[],{}]"}
    dues = [str(to_ms(datetime.fromisoformat(month))) for month in months]
    await pipeline.record([{**born, "job": f"m{due}", "due": due} for due in dues])
    for due in (dues[0], dues[-1]):
        assert await pipeline.reader.jobs.find(f"m{due}") is not None
    inherits = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'infinitas_jobs'::regclass"
    assert (await row(pipeline.archive, inherits))[0] < 20


def test_any_event(servers: Urls, redis: Redis, postgres_url: str) -> None:
    with asyncio.Runner() as runner:
        connection = Connection(servers.redis, "test")
        archive, reader = Archive(postgres_url, "test"), Reader(postgres_url, "test")
        runner.run(migrate(archive))
        pipeline = Pipeline(redis, connection, archive, reader)

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(entries(), max_size=12))
        @example([{"type": "job.succeeded", "at": DUE, **KINDS["job.failed"], "result": DEEP}])
        def any_event(strange: list[dict[str, str]]) -> None:
            runner.run(pipeline.record(strange))

        try:
            any_event()
        finally:
            runner.run(reader.close())
            runner.run(archive.close())
            runner.run(connection.close())
