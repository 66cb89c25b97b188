"""Each finding of the doctor is provoked on real servers; a healthy installation has none."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infinitas.broker.connection import Connection
from infinitas.broker.health import Health
from infinitas.broker.inspect.rights import missing_rights
from infinitas.broker.messages import ClaimRequest, NewJob
from infinitas.broker.processes import Processes
from infinitas.broker.queue import QueueBroker
from infinitas.core.event_kinds import EventKind
from infinitas.core.findings import Finding, FindingCode
from infinitas.core.schedule import Schedule
from infinitas.core.status import ProcessInfo
from infinitas.core.task_definition import TaskDefinition
from infinitas.monitor.archive_checks import ArchiveChecks
from infinitas.monitor.doctor import Doctor, Report
from infinitas.monitor.redis_checks import check_rights, check_version
from infinitas.monitor.system_monitor import PREFIX, SystemMonitor
from infinitas.runtime.config import Settings
from tests.own_redis import OwnRedis, own_redis
from tests.support import events, eventually

P = "{infinitas:default}:"
CLOSED = "postgresql://x@127.0.0.1:1/none"


@dataclass
class Patient:
    """A healthy installation of the test's own."""

    own: OwnRedis
    postgres_url: str
    connection: Connection
    broker: QueueBroker
    archive: ArchiveChecks
    settings: Settings
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    opened: list[ArchiveChecks] = field(default_factory=list)

    def use(self, url: str, max_gb: float | None = None) -> None:
        """Another archive."""
        self.archive = ArchiveChecks(url, max_gb)
        self.opened.append(self.archive)

    @property
    def redis(self) -> Any:
        return self.own.admin

    def doctor(self) -> Doctor:
        return Doctor(self.connection, self.archive, self.settings, self.clock)

    async def examine(self) -> Report:
        return await self.doctor().examine()

    async def find(self, code: FindingCode) -> Finding:
        found = [each for each in (await self.examine()).findings if each.code is code]
        assert len(found) == 1, (code, found)
        assert found[0].remedy
        return found[0]

    async def codes(self) -> set[FindingCode]:
        return {each.code for each in (await self.examine()).findings}

    def execute(self, query: str, *values: object) -> None:
        with psycopg.connect(self.postgres_url) as connection:
            connection.execute(query, values)


@pytest.fixture(scope="module")
def server() -> Iterator[OwnRedis]:
    with own_redis() as server:
        yield server


@pytest.fixture
async def patient(server: OwnRedis, postgres_url: str) -> AsyncIterator[Patient]:
    server.admin.flushall()
    server.set("appendonly", "yes")
    eventually(lambda: writes_well(server))
    connection = Connection(server.url, "test")
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([TaskDefinition(name="t")], [])
    await broker.workers.join("w1", ["t"], 60)
    now = await connection.now()
    for kind in ("scheduler", "archiver", "notifier"):
        info = ProcessInfo(kind=kind, host="h", pid=1, version="1", started=now, at=now, status="")
        await Processes(connection).put(info)
    server.admin.hset(f"{P}readers", mapping={"archiver": newest(server), "notifier": newest(server)})
    settings = Settings(redis_url=server.url, postgres_url=postgres_url)
    archive = ArchiveChecks(postgres_url, None)
    patient = Patient(server, postgres_url, connection, broker, archive, settings)
    yield patient
    for each in (archive, *patient.opened):
        await each.close()
    await connection.close()
    server.accept()
    server.set("maxmemory-policy", "noeviction")


def writes_well(server: OwnRedis) -> bool:
    """Whether the last snapshot has succeeded; one is made if not."""
    state = server.admin.info("persistence")
    if state["rdb_bgsave_in_progress"] or state["aof_rewrite_in_progress"]:
        return False
    if state["rdb_last_bgsave_status"] != "ok":
        server.admin.bgsave()
        return False
    return True


def newest(server: OwnRedis) -> str:
    return str(server.admin.xrevrange(f"{P}events", count=1)[0][0])


async def enqueue(patient: Patient, id: str = "j") -> None:
    await patient.broker.jobs.enqueue([NewJob(id=id, task="t", args="[[],{}]")])
    patient.redis.hset(f"{P}readers", mapping=dict.fromkeys(("archiver", "notifier"), newest(patient.own)))


async def test_a_healthy_installation_has_no_finding(patient: Patient) -> None:
    report = await patient.examine()
    assert (report.findings, report.skipped) == ([], [])
    assert not patient.redis.keys("*probe*"), "it leaves nothing behind"


def older(patient: Patient, seconds: int) -> str:
    return f"{(int(patient.redis.time()[0]) - seconds) * 1000}"


async def aof_off(patient: Patient) -> str:
    patient.own.set("appendonly", "no")
    return "append-only file is off"


async def eviction(patient: Patient) -> str:
    patient.own.set("maxmemory-policy", "allkeys-lru")
    return "allkeys-lru"


async def snapshot_fails(patient: Patient) -> str:
    patient.own.refuse("MISCONF")
    return "its snapshot"


async def nearly_full(patient: Patient) -> str:
    patient.own.set("maxmemory", patient.redis.info("memory")["used_memory"])
    return "of maxmemory is used"


async def clock_of_this_host(patient: Patient) -> str:
    patient.clock = lambda: datetime.now(UTC) + timedelta(seconds=60)
    return "behind this host"


async def gone(patient: Patient, kind: str) -> None:
    """It was killed: it has not written for a minute."""
    processes = Processes(patient.connection)
    (info,) = [each for each in await processes.all() if each.kind == kind]
    await processes.put(replace(info, at=info.at - timedelta(minutes=1)))


async def no_scheduler(patient: Patient) -> str:
    await gone(patient, "scheduler")
    return "no slot is fired"


async def no_archiver(patient: Patient) -> str:
    await gone(patient, "archiver")
    return "history waits in Redis"


async def no_notifier(patient: Patient) -> str:
    await gone(patient, "notifier")
    return "no incident is opened"


async def backlog(patient: Patient) -> str:
    patient.redis.xadd(f"{P}stream:t", {"job": "old"}, id=f"{older(patient, 301)}-0")
    return "Task t: 1 job ready; the first has waited for 5m"


async def no_worker(patient: Patient) -> str:
    await enqueue(patient)
    patient.redis.delete(f"{P}processors")
    return "Task t: No live worker has the task"


async def pending_of_a_dead_worker(patient: Patient) -> str:
    await enqueue(patient)
    await patient.broker.jobs.claim(ClaimRequest("w1", [["t"]], 1, 60))
    patient.redis.hset(f"{P}readers", mapping=dict.fromkeys(("archiver", "notifier"), newest(patient.own)))
    patient.redis.delete("infinitas:worker:w1")
    return "1 job claimed by workers that do not live and have not been moved on: w1"


async def slot_overdue(patient: Patient) -> str:
    rule = Schedule(key="t", task="t", every_ms=3_600_000)
    await patient.broker.declarations.declare([TaskDefinition(name="t")], [rule])
    await patient.broker.declarations.declare([TaskDefinition(name="u")], [replace(rule, key="u", task="u")])
    await patient.broker.workers.join("w1", ["t", "u"], 60)
    patient.redis.hset(f"{P}readers", mapping=dict.fromkeys(("archiver", "notifier"), newest(patient.own)))
    patient.redis.zadd(f"{P}due", {"u": older(patient, 90)})
    return "1 schedule with a slot that came more than a minute ago and was not fired: u"


async def unreadable(patient: Patient) -> str:
    patient.redis.hset(f"{P}unreadable", "u", "0")
    return "can't read: u"


async def reader_behind(patient: Patient) -> str:
    patient.redis.delete(f"{P}events")
    patient.redis.xadd(f"{P}events", {"type": "test"}, id=f"{older(patient, 120)}-1")
    patient.redis.hset(f"{P}readers", "archiver", f"{older(patient, 121)}-0")
    return "The archiver does not follow"


async def gap(patient: Patient) -> str:
    health = Health(patient.connection, "default")
    await health.amiss("gap:archiver", EventKind.ARCHIVE_GAP, {"after": "5-1"})
    return "Events after 5-1 were dropped"


async def orphans(patient: Patient) -> str:
    patient.redis.set("{infinitas:gone}:stream:t", 1)
    patient.redis.set("{infinitas:gone}:job:j", 1)
    patient.redis.set(f"{P}recent:removed", 1)
    return "2 keys that no queue or task explains: {infinitas:default}:recent:removed, {infinitas:gone}:*"


async def postgres_away(patient: Patient) -> str:
    patient.use(CLOSED)
    return "gave no answer"


async def table_missing(patient: Patient) -> str:
    patient.execute("DELETE FROM infinitas_migrations WHERE name = '0016_old_incidents'")
    return "1 migration: 0016_old_incidents"


async def large(patient: Patient) -> str:
    patient.use(patient.postgres_url, 0.001)
    return "archive_max_gb is 0.001"


async def refused(patient: Patient) -> str:
    patient.execute(
        "INSERT INTO infinitas_refused (queue, position, kind, error, fields) "
        "VALUES ('default', '1-1', 'job.created', 'why', '{}')"
    )
    return "1 event of this queue"


async def open_row(patient: Patient) -> str:
    await enqueue(patient, "here")
    for id in ("here", "lost"):
        patient.execute("SELECT infinitas_ensure_month(date '2026-10-01')")
        patient.execute(
            "INSERT INTO infinitas_jobs (id, due_at, task, queue, version, state) "
            "VALUES (%s, '2026-10-10', 't', 'default', 1, 'queued')",
            id,
        )
    return "1 job unfinished in Postgres, of which Redis has nothing: lost"


async def wrong_type(patient: Patient) -> str:
    patient.redis.delete(f"{P}due")
    patient.redis.set(f"{P}due", "x")
    return "A check broke off: "


PROVOKED: dict[FindingCode, Callable[[Patient], Awaitable[str]]] = {
    FindingCode.REDIS_PERSISTENCE: aof_off,
    FindingCode.REDIS_EVICTION: eviction,
    FindingCode.REDIS_DISK: snapshot_fails,
    FindingCode.REDIS_MEMORY: nearly_full,
    FindingCode.CLOCK_SKEW: clock_of_this_host,
    FindingCode.NO_SCHEDULER: no_scheduler,
    FindingCode.NO_ARCHIVER: no_archiver,
    FindingCode.NO_NOTIFIER: no_notifier,
    FindingCode.BACKLOG: backlog,
    FindingCode.NO_WORKER: no_worker,
    FindingCode.PENDING_WITHOUT_WORKER: pending_of_a_dead_worker,
    FindingCode.SLOTS_OVERDUE: slot_overdue,
    FindingCode.UNREADABLE_SCHEDULES: unreadable,
    FindingCode.ARCHIVE_LAG: reader_behind,
    FindingCode.ARCHIVE_GAP: gap,
    FindingCode.ORPHAN_KEYS: orphans,
    FindingCode.POSTGRES_UNREACHABLE: postgres_away,
    FindingCode.POSTGRES_TABLES: table_missing,
    FindingCode.POSTGRES_SIZE: large,
    FindingCode.REFUSED_RECORDS: refused,
    FindingCode.OPEN_ROWS: open_row,
    FindingCode.CHECK_BROKE_OFF: wrong_type,
}
IN_OTHER_TESTS = {
    FindingCode.REDIS_UNREACHABLE,
    FindingCode.REDIS_VERSION,
    FindingCode.REDIS_COMMANDS,
    FindingCode.POSTGRES_CLOCK,
}


def test_every_finding_is_provoked() -> None:
    assert set(PROVOKED) == set(FindingCode) - IN_OTHER_TESTS


@pytest.mark.parametrize("code", PROVOKED, ids=str)
async def test_it_finds(patient: Patient, code: FindingCode) -> None:
    text = await PROVOKED[code](patient)
    found = await patient.find(code)
    assert text in found.text
    assert await patient.codes() == {code}, "nothing else"


async def test_a_queue_that_cannot_be_checked_hides_no_other(patient: Patient) -> None:
    for key in ("due", "processors", "events", "readers", "tasks"):
        patient.redis.set(f"{{infinitas:other}}:{key}", "x")
    patient.redis.sadd("infinitas:queues", "other")
    text = await unreadable(patient)
    assert text in (await patient.find(FindingCode.UNREADABLE_SCHEDULES)).text
    assert FindingCode.CHECK_BROKE_OFF in await patient.codes()


async def test_a_redis_that_does_not_answer(patient: Patient) -> None:
    patient.connection = Connection("redis://127.0.0.1:1", "test")
    found = await patient.find(FindingCode.REDIS_UNREACHABLE)
    assert "gave no answer" in found.text
    assert await patient.codes() == {FindingCode.REDIS_UNREACHABLE}
    await patient.connection.close()


def test_a_redis_that_is_too_old() -> None:
    assert (check_version("7.0.15"), check_version("")) == (None, None)
    assert check_version("6.2.14") is not None


async def test_commands_that_the_user_may_not_run(patient: Patient) -> None:
    forbidden = ("zadd", "xgroup|create", "persist", "del", "evalsha")
    rules = [f"-{name}" for name in forbidden]
    patient.redis.execute_command("ACL SETUSER", "half", "on", ">pass", "~*", "&*", "+@all", *rules)
    url = patient.own.url.replace("://", "://half:pass@")
    patient.connection = Connection(url, "test")
    missing = await missing_rights(patient.connection)
    assert set(missing) == {name.upper().replace("|", " ") for name in forbidden}
    found = check_rights(missing)
    assert found is not None
    assert found.code is FindingCode.REDIS_COMMANDS
    await patient.connection.close()
    patient.redis.execute_command("ACL DELUSER", "half")


async def test_without_info_it_names_what_it_could_not_check(patient: Patient) -> None:
    patient.redis.execute_command("ACL SETUSER", "blind", "on", ">pass", "~*", "&*", "+@all", "-info")
    patient.connection = Connection(patient.own.url.replace("://", "://blind:pass@"), "test")
    report = await patient.examine()
    assert report.findings == []
    assert {each.check for each in report.skipped} == {
        "redis_memory",
        "redis_eviction",
        "redis_persistence",
        "redis_disk",
    }
    await patient.connection.close()
    patient.redis.execute_command("ACL DELUSER", "blind")


async def test_the_monitor_writes_an_event_at_the_start_and_the_end_of_a_fault(patient: Patient) -> None:
    monitor = SystemMonitor(patient.doctor(), patient.connection)
    what = f"{PREFIX}open_rows"
    await open_row(patient)
    await monitor.check()
    assert events(patient.redis, "system.amiss") == [], "one check may be a moment"
    await monitor.check()
    await monitor.check()
    (amiss,) = events(patient.redis, "system.amiss")
    assert amiss.fields["what"] == what
    assert "infinitas job rerun" in patient.redis.hget(f"{P}amiss", what)
    patient.redis.hset(f"{P}readers", mapping=dict.fromkeys(("archiver", "notifier"), newest(patient.own)))
    patient.use(CLOSED)
    await SystemMonitor(patient.doctor(), patient.connection).check()
    assert events(patient.redis, "system.well") == [], "without Postgres it is not known"
    patient.execute("DELETE FROM infinitas_jobs")
    await monitor.check()
    assert [each.fields["what"] for each in events(patient.redis, "system.well")] == [what]


async def test_it_reads_no_more_of_a_hundred_thousand_schedules(patient: Patient) -> None:
    """Commands of Redis, by its own count: those of a small installation and the pages of its keys."""
    pipe = patient.redis.pipeline(transaction=False)
    rules = {f"s{i}": '{"task":"t","every_ms":1000,"anchor_ms":0}' for i in range(100_000)}
    pipe.hset(f"{P}schedules", mapping=rules)
    pipe.zadd(f"{P}due", dict.fromkeys(rules, int(older(patient, -3600))))
    pipe.execute()
    patient.redis.config_resetstat()
    assert await patient.codes() == set()
    calls = {name: each["calls"] for name, each in patient.redis.info("commandstats").items()}
    assert sum(calls.values()) < 250


async def test_a_postgres_of_another_clock(patient: Patient) -> None:
    """Its clock can't be set: a function of the same name comes first in its search path."""
    patient.execute(
        "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$ SELECT pg_catalog.now() + interval '1 hour' $$"
    )
    joint = "&" if "?" in patient.postgres_url else "?"
    url = f"{patient.postgres_url}{joint}options=-csearch_path%3Dpublic,pg_catalog"
    patient.use(url)
    found = await patient.find(FindingCode.POSTGRES_CLOCK)
    assert "The clock of Postgres is 36" in found.text
    assert found.text.endswith("s ahead of Redis.")
