"""`infinitas dev`: the port of its server."""

import fcntl
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from infinitas import Infinitas
from infinitas.cli import dev
from infinitas.cli.main import cli
from infinitas.core.errors import ConfigError
from infinitas.devservers.servers import Urls
from tests.support import Processes


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_given_port_that_is_taken_is_refused(processes: Processes, taken: int) -> None:
    said = processes.call("dev", "tests.apps.jobs:app", "--port", str(taken))
    assert said.returncode == 2
    assert f"can't listen on 127.0.0.1:{taken}" in said.stderr
    assert "--port" in said.stderr
    assert "Starting" not in said.stdout


def test_another_port_stands_in_for_the_default_one_alone(
    taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "DEFAULT_PORT", taken)
    found = dev.server_port(None)
    assert found not in (None, taken)
    assert capsys.readouterr().err == f"Port {taken} is taken: the server listens on {found}.\n"
    assert dev.server_port(0) not in (None, taken)
    with pytest.raises(ConfigError, match=str(taken)):
        dev.server_port(taken)


def test_a_port_without_the_servers_packages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "find_spec", lambda _: None)
    assert dev.server_port(None) is None
    with pytest.raises(ConfigError, match=r"infinitas\[server\]"):
        dev.server_port(3000)


def test_a_configured_server_is_named_at_once(app: Infinitas) -> None:
    with pytest.raises(ConfigError, match="runs everything here, but the setting `server` is wss://h"):
        dev.run_dev(app.configure(server="wss://h:3000"), None)


def test_a_second_one_in_the_same_folder_is_refused(
    servers: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / ".infinitas"
    (data / "redis").mkdir(parents=True)
    record = {"redis": servers.redis, "postgres": servers.postgres}
    (data / "running.json").write_text(json.dumps(record))
    monkeypatch.delenv("INFINITAS_REDIS_URL", raising=False)
    with (data / "redis/redis.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match=r"Another `infinitas dev` runs on .*INFINITAS_DATA_DIR"):
            dev.run_dev(Infinitas().configure(data_dir=data), None)


def test_top_shows_status_and_jobs(servers: Urls, redis: object) -> None:
    shown = CliRunner(env={"INFINITAS_REDIS_URL": servers.redis}).invoke(cli, ["top", "--once"])
    assert shown.exit_code == 0, shown.output
    assert "schedulers  none" in shown.output
