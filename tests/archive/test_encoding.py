"""Every text is kept, whichever encoding is set for the client; a database that can't is refused."""

from collections.abc import Iterator

import psycopg
import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.archive.reader import Reader
from infinitas.archive.writer import Writer
from infinitas.core.errors import ConfigError
from tests.archive.facts import event
from tests.databases import Databases
from tests.support import Processes

FOX = "\U0001f98a 狐 é"


@pytest.mark.parametrize("by", ["the database", "the environment", "the URL"])
async def test_text_is_kept_under_any_client_encoding(
    empty_postgres_url: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "the database":
        with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET client_encoding = 'LATIN1'".encode())
    elif by == "the environment":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    url = empty_postgres_url + ("&client_encoding=LATIN1" if by == "the URL" else "")
    archive, reader = Archive(url, "test"), Reader(url, "test")
    await migrate(archive)
    failed = event(1, "failed", attempt=1, error=FOX, args=f'[["{FOX}"],{{}}]')
    assert await Writer(archive, "default").write([failed], None, "1-0") == []
    job = await reader.jobs.find("j")
    assert job is not None
    assert job.error == FOX
    assert FOX in job.args_json
    await reader.close()
    await archive.close()


@pytest.fixture
def database(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of another encoding."""
    with databases.database(f"ENCODING '{request.param}' TEMPLATE template0") as url:
        yield url


@pytest.mark.parametrize("database", ["LATIN1", "SQL_ASCII", "EUC_JP"], indirect=True)
async def test_a_database_that_cannot_hold_every_text_is_refused(database: str) -> None:
    archive = Archive(database, "test")
    with pytest.raises(ConfigError, match="createdb --encoding=UTF8"):
        await migrate(archive)
    await archive.close()


@pytest.mark.parametrize("database", ["LATIN1"], indirect=True)
def test_the_archiver_does_not_start_on_such_a_database(processes: Processes, database: str) -> None:
    refused = processes.run("--postgres-url", database, "archiver")
    assert refused.returncode == 2
    assert "has the encoding LATIN1" in refused.stderr
    assert "Traceback" not in refused.stderr
