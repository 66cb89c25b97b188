"""The archive behind PgBouncer in transaction mode: each transaction may run in another session."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.archive.reader import Reader
from infinitas.archive.statements import migrations
from infinitas.archive.writer import Writer
from infinitas.core.errors import ServerUnreachable
from infinitas.runtime.config import load_settings
from tests.archive.facts import event, row
from tests.pgbouncer import pgbouncer_to

LIFE = [
    event(1, "created", args='[["\U0001f98a"],{}]'),
    event(2, "running", attempt=1, worker="w", start=1),
    event(3, "failed", attempt=1, error="no"),
]


@pytest.fixture
def pooled_url(empty_postgres_url: str, tmp_path: Path) -> Iterator[str]:
    with pgbouncer_to(empty_postgres_url, tmp_path) as url:
        yield url


async def test_it_migrates_writes_and_reads_through_a_transaction_pooler(pooled_url: str) -> None:
    """Two sessions for three archives: none of them meets its own session each time."""
    archives = [Archive(pooled_url, "test") for _ in range(3)]
    applied = await asyncio.gather(*map(migrate, archives))
    assert sorted(map(len, applied)) == [0, 0, len(migrations())]
    first, second, third = archives
    for number, archive in enumerate((first, second, third, first)):
        name, before, after = f"q{number}", None, "1-0"
        other = asyncio.create_task(row(third if archive is first else first, "SELECT pg_sleep(0.01)"))
        assert await Writer(archive, name).write(LIFE, before, after) == []
        assert await Writer(archive, name).write([event(4, "cancelled", job=name)], after, "2-0") == []
        await other
    reader = Reader(pooled_url, "test")
    found = await asyncio.gather(*(reader.jobs.find(id) for id in ("j", "q0", "q1", "q2", "q3")))
    assert [job and job.state for job in found] == ["failed", *["cancelled"] * 4]
    assert found[0]
    assert "\U0001f98a" in found[0].args_json
    assert [each.outcome for each in found[0].attempts] == ["failed"]
    await reader.close()
    for archive in archives:
        await archive.close()


async def test_temporary_tables_of_an_older_version_stay_in_a_session(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    with pgbouncer_to(empty_postgres_url, tmp_path, sessions=1) as url:
        archive = Archive(url, "test")
        await migrate(archive)
        await row(archive, "CREATE TEMPORARY TABLE incoming_jobs (id text) ON COMMIT DELETE ROWS")
        assert await row(archive, "SELECT FROM incoming_jobs") is None
        assert await Writer(archive, "default").write(LIFE, None, "1-0") == []
        await archive.close()


async def test_limits_and_settings_stay_within_a_transaction(empty_postgres_url: str, tmp_path: Path) -> None:
    """The session then serves another application."""
    with pgbouncer_to(empty_postgres_url, tmp_path, sessions=1) as url:
        archive = Archive(f"{url}&schema=apart", "test")
        await migrate(archive)
        names = ("lock_timeout", "statement_timeout", "search_path", "DateStyle", "IntervalStyle")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
            await other.execute("SET DateStyle = 'SQL, DMY'")
            before = [await _shown(other, name) for name in names]
            assert await Writer(archive, "default").write(LIFE, None, "1-0") == []
            assert [await _shown(other, name) for name in names] == before
        await archive.close()


async def _shown(connection: psycopg.AsyncConnection, name: str) -> object:
    return await (await connection.execute(f"SHOW {name}".encode())).fetchone()


async def test_a_session_that_ends_or_is_read_only_behind_the_pooler_is_an_outage(
    pooled_url: str, empty_postgres_url: str
) -> None:
    archive = Archive(pooled_url, "test")
    await migrate(archive)
    writer = Writer(archive, "default")
    assert await writer.write(LIFE[:1], None, "1-0") == []
    with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await writer.write(LIFE[1:2], "1-0", "2-0") == []
        set_it = f"ALTER DATABASE {admin.info.dbname} SET default_transaction_read_only"
        admin.execute(f"{set_it} = on".encode())
        end = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        admin.execute(end)
        with pytest.raises(ServerUnreachable, match="read-only"):
            await writer.write(LIFE[2:], "2-0", "3-0")
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(f"{set_it} = off".encode())
        admin.execute(end)
    assert await writer.write(LIFE[2:], "2-0", "3-0") == []
    await archive.close()


async def test_a_password_may_have_every_printable_character(postgres_url: str, tmp_path: Path) -> None:
    password = "".join(map(chr, range(32, 127))) + "ä"
    with pgbouncer_to(postgres_url, tmp_path, password=password) as url:
        right = url.replace("@", f":{quote(password, safe='')}@", 1)
        settings = load_settings({"postgres_url": f"{right}\n"}, {}, tmp_path / "absent.toml")
        archive = Archive(settings.postgres_url or "", "test")
        assert await Writer(archive, "default").write(LIFE, None, "1-0") == []
        await archive.close()
        for wrong in (url.replace("@", ":SECRET@", 1), url):
            archive = Archive(wrong, "test")
            with pytest.raises(ServerUnreachable) as refused:
                await Writer(archive, "default").position()
            assert "SECRET" not in str(refused.value)
            await archive.close()


async def test_options_of_a_connection_are_refused_by_the_pooler_and_schema_is_not(pooled_url: str) -> None:
    refused = Archive(f"{pooled_url}&options=-csearch_path%3Dpublic", "test")
    with pytest.raises(ServerUnreachable, match="unsupported startup parameter"):
        await migrate(refused)
    archive = Archive(f"{pooled_url}&schema=apart", "test")
    assert len(await migrate(archive)) == len(migrations())
    assert await Writer(archive, "default").write(LIFE, None, "1-0") == []
    await archive.close()
