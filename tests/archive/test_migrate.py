"""Migrations by a role that may not create tables, by hand, and in schemas of their own."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate, missing_migrations, missing_script
from infinitas.archive.reader import Reader
from infinitas.archive.statements import migrations
from infinitas.archive.writer import Writer
from infinitas.core.errors import ConfigError, ServerUnreachable
from tests.archive.facts import event, row
from tests.support import Processes, eventually

LIFE = [event(1, "created", args="[[],{}]"), event(2, "failed", attempt=1, error="no")]
ALL = [name for name, _ in migrations()]
FAR_MS = 1_900_000_000_000
"""In a month that no test before it has written to."""


@pytest.fixture
def limited_url(empty_postgres_url: str) -> Iterator[str]:
    """The database by a role that may write rows, but create nothing in it except temporary tables."""
    role = "writes_rows"
    with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN".encode())
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        admin.execute(
            "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO writes_rows"
        )
        yield empty_postgres_url.replace("://infinitas@", f"://{role}@")
        # A backend drops its temporary tables after its connection was closed.
        backends = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
        eventually(lambda: admin.execute(backends, (role,)).fetchone() == (0,))
        admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


async def test_a_role_that_may_only_write_rows_finds_the_tables_ready(
    empty_postgres_url: str, limited_url: str
) -> None:
    owner, archive = Archive(empty_postgres_url, "owner"), Archive(limited_url, "test")
    with pytest.raises(ConfigError, match=r"permission denied.* 0001_history.*`infinitas migrate --sql`"):
        await migrate(archive)
    assert await migrate(owner) == ALL
    assert await migrate(archive) == []
    writer = Writer(archive, "default")
    assert await writer.write(LIFE, None, "1-0") == []
    assert await row(owner, "SELECT to_regclass('infinitas_jobs_2030_03')") == (None,)
    assert await writer.write([event(3, "created", job="far", due=FAR_MS)], "1-0", "2-0") == []
    assert await row(
        owner, "SELECT tableowner FROM pg_tables WHERE tablename = 'infinitas_jobs_2030_03'"
    ) == ("infinitas",)
    reader = Reader(limited_url, "test")
    assert [(await reader.jobs.find(id)) is not None for id in ("j", "far")] == [True, True]
    await reader.close()
    await archive.close()
    await owner.close()


async def test_a_missing_right_is_named_and_ends_with_its_grant(
    empty_postgres_url: str, limited_url: str
) -> None:
    owner, archive = Archive(empty_postgres_url, "owner"), Archive(limited_url, "test")
    await migrate(owner)
    await row(owner, "REVOKE INSERT ON infinitas_audit, infinitas_jobs FROM writes_rows")
    writer = Writer(archive, "default")
    with pytest.raises(ServerUnreachable, match=r"permission denied for table infinitas_jobs.*docs/postgres"):
        await writer.write(LIFE, None, "1-0")
    await row(owner, "GRANT INSERT ON infinitas_jobs TO writes_rows")
    assert await writer.write(LIFE, None, "1-0") == []
    await archive.close()
    await owner.close()


def test_an_archiver_that_may_not_create_tables_ends_with_what_to_do(
    processes: Processes, limited_url: str
) -> None:
    refused = processes.run("--postgres-url", limited_url, "archiver")
    assert refused.returncode == 2
    assert "infinitas migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("option", ["", "&schema=by_hand"])
async def test_the_script_does_what_the_migrations_do(
    empty_postgres_url: str, limited_url: str, option: str
) -> None:
    by_script, archive = Archive(limited_url + option, "test"), Archive(empty_postgres_url + option, "test")
    script = await missing_script(by_script)
    with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
        admin.execute(script.encode())
    assert await missing_migrations(archive) == []
    assert await migrate(archive) == []
    assert await missing_script(archive) == ""
    assert await Writer(archive, "default").write(LIFE, None, "1-0") == []
    if option:
        await row(archive, "GRANT USAGE ON SCHEMA by_hand TO writes_rows")
        await row(archive, "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA by_hand TO writes_rows")
    assert await Writer(by_script, "default").position() == "1-0"
    await by_script.close()
    await archive.close()


async def test_two_installations_share_a_database(empty_postgres_url: str) -> None:
    archives = [Archive(f"{empty_postgres_url}&schema={name}", "test") for name in ("shop", "Bank-2")]
    for number, archive in enumerate(archives):
        assert await migrate(archive) == ALL
        written = await Writer(archive, "default").write([event(1, "created", job=f"j{number}")], None, "1-0")
        assert written == []
    for number, archive in enumerate(archives):
        reader = Reader(archive.url, "test")
        assert [(await reader.jobs.find(f"j{n}")) is not None for n in (0, 1)] == [number == 0, number == 1]
        await reader.close()
    public = Archive(empty_postgres_url, "test")
    assert await missing_migrations(public) == ALL
    await public.close()
    for archive in archives:
        await archive.close()


@pytest.mark.parametrize("by", ["the role", "the URL"])
async def test_the_schema_is_that_of_the_search_path(empty_postgres_url: str, by: str) -> None:
    with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA apart")
        if by == "the role":
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET search_path = apart".encode())
    url = empty_postgres_url + ("&options=-csearch_path%3Dapart" if by == "the URL" else "")
    archive = Archive(url, "test")
    assert await migrate(archive) == ALL
    assert await Writer(archive, "default").write(LIFE, None, "1-0") == []
    found = await row(archive, "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'infinitas%'")
    assert found == ("apart",)
    await archive.close()


async def test_a_search_path_that_leads_nowhere_is_refused(empty_postgres_url: str) -> None:
    archive = Archive(f"{empty_postgres_url}&options=-csearch_path%3Dnowhere", "test")
    with pytest.raises(ConfigError, match="no schema has been selected"):
        await migrate(archive)
    await archive.close()


def test_the_command_migrates_prints_sql_and_is_done(processes: Processes, empty_postgres_url: str) -> None:
    command = ("--postgres-url", empty_postgres_url, "migrate")
    script = processes.call(*command, "--sql")
    assert script.returncode == 0
    assert script.stdout.startswith("BEGIN;")
    applied = processes.call(*command, "-o", "json")
    assert json.loads(applied.stdout) == {"applied": ALL}
    assert "All migrations were applied before" in processes.call(*command).stdout
    assert processes.call(*command, "--sql").stdout == ""
    assert processes.call("migrate").returncode == 2
