"""Postgres that is silent, read-only, restarted or locked: reported in time, and over without a restart."""

import asyncio
import logging
from collections.abc import AsyncIterator

import psycopg
import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.limits import Limits
from infinitas.archive.migrate import Tables, migrate
from infinitas.archive.reader import Reader
from infinitas.archive.writer import Writer
from infinitas.archiver.recorder import Recorder
from infinitas.broker.events import EventStream
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import ServerUnreachable
from infinitas.core.records import AuditFilter
from infinitas.runtime.loop import Loop, cancel_all
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
    recorder = Loop("recorder", Recorder(stream, Writer(archive, "default")).run_once)

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


async def test_a_backend_that_is_ended_is_an_outage(archive: Archive, postgres_url: str) -> None:
    writer = Writer(archive, "default")
    assert await writer.write(LIFE[:1], None, "1-0") == []
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(ServerUnreachable):
        await writer.write(LIFE[1:], "1-0", "2-0")
    assert await writer.write(LIFE[1:], "1-0", "2-0") == []


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


async def test_a_role_that_may_only_write_rows_finds_the_tables_ready(archive: Archive) -> None:
    await Writer(archive, "default").write(LIFE, None, "1-0")
    await row(archive, "CREATE ROLE writes_rows")
    try:
        await row(
            archive, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writes_rows"
        )
        await row(archive, "ALTER ROLE CURRENT_USER SET role TO writes_rows")
        await archive.close()
        assert await migrate(archive) == []
        assert await row(archive, "SELECT current_user") == ("writes_rows",)
        assert await Writer(archive, "default").write([event(9, "missed")], "1-0", "2-0") == []
    finally:
        await row(archive, "SET ROLE NONE; ALTER ROLE CURRENT_USER RESET role")
        await archive.close()
        await row(archive, "DROP OWNED BY writes_rows; DROP ROLE writes_rows")


async def test_no_secret_of_the_url_is_in_what_the_driver_reports() -> None:
    """The driver splits such a URL at the first @, and reports the rest of the password as the host."""
    archive = Archive("postgresql://someone:first@TOPSECRET@nowhere.invalid/x", "test")
    with pytest.raises(ServerUnreachable) as away:
        async with archive.transaction():
            pass
    assert "TOPSECRET" not in str(away.value)
