"""Postgres that is silent, read-only, restarted or locked: reported in time, and over without a restart."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import psycopg
import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.limits import Limits
from infinitas.archive.migrate import Tables, migrate
from infinitas.archive.reader import Reader
from infinitas.archive.restorable import Restorable
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import Recorder
from infinitas.broker.events import EventStream
from infinitas.broker.queue import QueueBroker
from infinitas.core.codec import from_ms, to_ms
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.records import AuditFilter, Window
from infinitas.monitor.restorer import Restorer
from infinitas.runtime.config import load_settings
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.runtime.urls import checked_postgres_url
from tests.archive.facts import event, row
from tests.silent_proxy import Proxy, proxy_to
from tests.support import PATIENCE_S, aeventually

SHORT = Limits(answer_s=1.0, deadline_s=1.0, lock_s=0.3, idle_s=1.0)
BEGUN = b"infinitas_positions"
"""In the statement that moves the position: after it, a transaction is open."""
LIFE = [event(1, "created", args="[[],{}]"), event(2, "cancelled", reason="r")]


@pytest.fixture
async def proxy(postgres_url: str, archive: Archive) -> AsyncIterator[Proxy]:
    async with proxy_to(postgres_url) as proxy:
        yield proxy


@pytest.mark.parametrize("when", ["within a transaction", "between two"])
async def test_an_archiver_logs_a_silent_postgres_and_catches_up(
    broker: QueueBroker,
    postgres_url: str,
    proxy: Proxy,
    when: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    archive, beside = Archive(proxy.url, "test", SHORT), Archive(postgres_url, "test")
    witness = Writer(beside, "default")
    stream = EventStream(broker.connection, "default", "archiver")
    restorer = Restorer(broker.connection, "default", Restorable(archive), 60)
    recorder = Loop("recorder", Recorder(stream, Writer(archive, "default"), restorer).run_once)

    async def all_is_recorded() -> bool:
        return await witness.position() == await stream.newest()

    running = asyncio.create_task(recorder.run())
    await aeventually(all_is_recorded)
    with caplog.at_level(logging.INFO, "infinitas.loop"):
        if when == "within a transaction":
            proxy.silence_after(BEGUN)
        else:
            proxy.silence()
        await broker.audit(action="task.put", actor="w", target="t", reason="", origin="")
        await asyncio.wait_for(proxy.silenced.wait(), PATIENCE_S)

        async def reported() -> bool:
            return any("gave no answer within 1 s" in record.message for record in caplog.records)

        await aeventually(reported)
        assert not await all_is_recorded()
        proxy.forward()
        await aeventually(all_is_recorded)
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    await cancel_all([running])
    await archive.close()
    await beside.close()


async def test_a_lost_archiver_with_an_open_transaction_stops_no_other(
    postgres_url: str, archive: Archive, proxy: Proxy
) -> None:
    """Neither a lost connection nor SIGSTOP closes it: Postgres must end the transaction."""
    lost = Archive(proxy.url, "test", Limits(deadline_s=30, idle_s=1.0))
    other = Archive(postgres_url, "test", SHORT)
    proxy.silence_after(BEGUN)

    async def write() -> None:
        await Writer(lost, "default").write(LIFE, None, "1-0")

    writing = asyncio.create_task(write())
    await asyncio.wait_for(proxy.silenced.wait(), PATIENCE_S)

    errors: list[str] = []

    async def goes_on() -> bool:
        try:
            return await Writer(other, "default").write(LIFE, None, "1-0") is not None
        except ServerUnreachable as error:
            errors.append(str(error))
            return False

    await aeventually(goes_on)
    assert all("lock timeout" in text for text in errors), "it waits for no lock without a limit"
    await cancel_all([writing])
    await lost.close()
    await other.close()


async def test_a_transaction_that_is_cancelled_leaves_no_connection_in_use(archive: Archive) -> None:
    begun = asyncio.Event()

    async def wait_in_a_transaction() -> None:
        async with archive.transaction() as connection:
            begun.set()
            await connection.execute("SELECT pg_sleep(60)")

    waiting = asyncio.create_task(wait_in_a_transaction())
    await begun.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert await row(archive, "SELECT 1") == (1,)


async def test_reads_of_a_silent_postgres_fail_in_time_and_later_succeed(proxy: Proxy) -> None:
    reader = Reader(proxy.url, "test", Limits(answer_s=1, deadline_s=2, lock_s=1))
    await reader.ping()
    proxy.silence()
    reads = [asyncio.create_task(reader.ping()) for _ in range(10)]
    done, waiting = await asyncio.wait(reads, timeout=PATIENCE_S)
    assert not waiting
    assert {type(each.exception()) for each in done} == {ServerUnreachable}
    proxy.forward()
    await reader.ping()
    await reader.close()


async def test_a_read_that_waits_for_a_lock_delays_no_other(
    postgres_url: str, archive: Archive, reader: Reader
) -> None:
    await Writer(archive, "default").write(LIFE, None, "1-0")
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE infinitas_audit")
        locked = asyncio.create_task(reader.audit.page(AuditFilter(), None, 1))
        assert await reader.jobs.find("j") is not None
        assert not locked.done()
        with pytest.raises(ServerUnreachable, match="lock timeout"):
            await locked


@pytest.mark.parametrize("by", ["the session", "the database"])
async def test_a_read_only_connection_is_not_kept(archive: Archive, postgres_url: str, by: str) -> None:
    """As after a failover: the former primary takes no writes."""
    writer = Writer(archive, "default")
    assert await writer.write(LIFE[:1], None, "1-0") == []
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        if by == "the session":
            await row(archive, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        else:
            database = f"ALTER DATABASE {admin.info.dbname} SET default_transaction_read_only = "
            admin.execute(f"{database} on".encode())
            await archive.close()
        with pytest.raises(ServerUnreachable, match="read-only"):
            await writer.write(LIFE[1:], "1-0", "2-0")
        if by == "the database":
            with pytest.raises(ServerUnreachable, match="read-only"):
                await writer.write(LIFE[1:], "1-0", "2-0")
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"{database} off".encode())
    assert await writer.write(LIFE[1:], "1-0", "2-0") == []


END_THE_OTHERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_a_connection_that_was_closed_while_idle_is_opened_again(
    archive: Archive, reader: Reader, postgres_url: str
) -> None:
    """As by idle_session_timeout, a pooler, a firewall, or a restart of Postgres."""
    writer = Writer(archive, "default")
    assert await writer.write(LIFE[:1], None, "1-0") == []
    assert await reader.jobs.find("j") is not None
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        assert admin.execute(END_THE_OTHERS).fetchone() == (2,)
    assert await writer.write(LIFE[1:], "1-0", "2-0") == []
    assert await reader.jobs.find("j") is not None


async def test_a_backend_that_ends_in_a_batch_is_an_outage_and_the_batch_is_written_once(
    archive: Archive, postgres_url: str
) -> None:
    writer = Writer(archive, "default")
    assert await writer.write(LIFE[:1], None, "1-0") == []
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE infinitas_attempts")
        writing = asyncio.create_task(writer.write(LIFE[1:], "1-0", "2-0"))
        await aeventually(lambda: _waits_for_a_lock(postgres_url))
        other.execute(END_THE_OTHERS)
        with pytest.raises(ServerUnreachable):
            await writing
    assert await writer.position() == "1-0"
    assert await writer.write(LIFE[1:], "1-0", "2-0") == []
    assert await row(archive, "SELECT state FROM infinitas_jobs") == ("cancelled",)


async def _waits_for_a_lock(url: str) -> bool:
    async with await psycopg.AsyncConnection.connect(url) as admin:
        found = await admin.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return await found.fetchone() is not None


ODD = {
    "TimeZone": "'Asia/Kolkata'",  # IST: Postgres reads that as the time of Israel
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'iso_8601'",
    "bytea_output": "'escape'",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "extra_float_digits": "-15",
    "statement_timeout": "'9s'",
    "lock_timeout": "'9s'",
    "default_transaction_isolation": "'serializable'",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "search_path": "nowhere, public",
    "row_security": "off",
}
"""What may be set on a role or a database, and none of which changes what is stored or read."""


async def test_settings_of_the_session_change_nothing(empty_postgres_url: str) -> None:
    with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
        for name, value in ODD.items():
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET {name} = {value}".encode())
    archive, reader = Archive(empty_postgres_url, "test"), Reader(empty_postgres_url, "test")
    await migrate(archive)
    slash = "a\\b'c \"d"
    events = [
        event(number, "failed", job=f"{month}", attempt=1, due=ms_of(month), error=slash, start=ms_of(month))
        for number, month in enumerate(range(1, 13))
    ]
    assert await Writer(archive, "default").write(events, None, "1-0") == []
    for month in range(1, 13):
        job = await reader.jobs.find(str(month))
        assert job is not None
        assert (to_ms(job.due), job.due.utcoffset(), job.error) == (ms_of(month), timedelta(0), slash)
        bounds = await row(
            archive,
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class"
            f" WHERE relname = 'infinitas_jobs_2026_{month:02}'",
        )
        assert f"FROM ('2026-{month:02}-01 00:00:00+00')" in bounds[0]
    year = Window(task=None, since=from_ms(ms_of(1)), until=from_ms(ms_of(13)))
    for counts in (False, True):
        ((_, buckets, _),) = await reader.timeline.lanes(year, 86_400, counts=counts, limit=100)
        starts = [datetime.fromisoformat(bucket["start"]) for bucket in orjson.loads(buckets)]
        assert starts == [from_ms(ms_of(month)) for month in range(1, 13)]
    await reader.close()
    await archive.close()


def ms_of(month: int) -> int:
    """The first instant of a month of 2026, or of January 2027."""
    return to_ms(datetime(2026 + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC))


async def test_the_kernel_watches_connections_and_postgres_has_limits(proxy: Proxy) -> None:
    archive = Archive(f"{proxy.url}?tcp_user_timeout=7000", "test")
    parameters = archive.parameters
    assert (parameters["keepalives_idle"], parameters["tcp_user_timeout"]) == (10, "7000")
    for name, value in (
        ("lock_timeout", "5s"),
        ("statement_timeout", "45s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ):
        assert await row(archive, f"SHOW {name}") == (value,)
    await archive.close()


async def test_tables_are_made_again_in_a_database_that_came_back_empty(empty_postgres_url: str) -> None:
    archive = Archive(empty_postgres_url, "test")
    tables = Tables(archive)
    await tables.make_ready()
    await row(archive, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with pytest.raises(ServerUnreachable, match="no tables"):
        await Writer(archive, "default").position()
    tables.check_again()
    await tables.make_ready()
    assert await Writer(archive, "default").position() is None
    await archive.close()


async def test_no_secret_of_the_url_is_in_what_the_driver_reports() -> None:
    """The driver splits such a URL at the first @, and reports the rest of the password as the host."""
    archive = Archive("postgresql://someone:first@TOPSECRET@nowhere.invalid/x", "test")
    with pytest.raises(ServerUnreachable) as away:
        async with archive.transaction():
            pass
    assert "TOPSECRET" not in str(away.value)


@pytest.mark.parametrize("form", ["service", "service as an option", "several hosts", "a newline"])
async def test_forms_of_the_url(
    postgres_url: str, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    folder, name = parse_qs(urlsplit(postgres_url).query)["host"][0], urlsplit(postgres_url).path[1:]
    services = tmp_path / "services.conf"
    services.write_text(f"[shop]\nhost={folder}\ndbname={name}\nuser=infinitas\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    url = {
        "service": "postgresql://?service=shop",
        "service as an option": "postgresql:///?service=shop&schema=public",
        "several hosts": f"postgresql://infinitas@/{name}?host=/nowhere,{folder}&port=1,5432",
        "a newline": f" {postgres_url}\n",
    }[form]
    found = load_settings({"postgres_url": url}, {}, tmp_path / "absent.toml").postgres_url
    other = Archive(found or "", "test")
    assert await row(other, "SELECT current_database()") == (name,)
    assert await Writer(other, "default").write(LIFE, None, "1-0") == []
    await other.close()


@pytest.mark.parametrize(
    "schema", ["", "1a", "pg_temp", "information_schema", 'a"b', "a b", "a%20b", "ä", "x" * 64, "a&schema=b"]
)
def test_a_schema_that_is_no_plain_name_is_refused(schema: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"schema=|name=value"):
        load_settings({"postgres_url": f"postgresql://h/d?schema={schema}"}, {}, tmp_path / "absent.toml")


def test_hosts_may_have_ipv6_addresses() -> None:
    url = "postgresql://u:p%40%3A%2F@[::1]:5433,[fe80::1]:5434/d?schema=x&sslmode=require"
    parameters = Archive(checked_postgres_url(url), "test").parameters
    assert (parameters["host"], parameters["port"]) == ("::1,fe80::1", "5433,5434")
    assert (parameters["password"], parameters["sslmode"]) == ("p@:/", "require")
