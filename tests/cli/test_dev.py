"""`infinitas dev`: the port of its server."""

import socket
from collections.abc import Iterator

import pytest

from infinitas.cli import dev
from infinitas.core.errors import ConfigError
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
