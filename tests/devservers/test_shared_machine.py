"""On a shared machine: folders, sockets, settings and running files of another user are not followed."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infinitas.core.errors import ConfigError, EmbeddedError
from infinitas.devservers.folder import owner_of_socket, private_folder, socket_folder
from infinitas.devservers.servers import Urls, running_servers
from infinitas.runtime.config import load_settings
from tests.support import eventually

OTHER = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of another user")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What stands for /tmp; short, as sockets need it."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        yield Path(folder)
        monkeypatch.undo()


def test_sockets_lie_in_folders_of_this_user_alone(temporary: Path, tmp_path: Path) -> None:
    found = socket_folder(tmp_path)
    for folder in (found, found.parent):
        assert (folder.lstat().st_uid, folder.lstat().st_mode & 0o777) == (os.getuid(), 0o700)
    assert found.parent.parent == temporary
    assert socket_folder(tmp_path) == found, "the same again"


def test_the_runtime_folder_of_the_user_comes_first(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temporary / "run"))
    assert socket_folder(tmp_path).is_relative_to(temporary / "run")


def _link(taken: Path) -> None:
    taken.with_name("elsewhere").mkdir()
    taken.symlink_to(taken.with_name("elsewhere"))


def _file(taken: Path) -> None:
    taken.write_text("")


def _others(taken: Path) -> None:
    taken.mkdir(mode=0o777)
    os.chown(taken, OTHER, OTHER)


@pytest.mark.parametrize("take", [_link, _file, pytest.param(_others, marks=as_root)])
def test_a_name_that_is_taken_is_not_used(
    temporary: Path, tmp_path: Path, take: Callable[[Path], None]
) -> None:
    taken = temporary / f"infinitas-{os.getuid()}"
    take(taken)
    found = socket_folder(tmp_path)
    assert not found.is_relative_to(taken)
    assert not found.is_relative_to(temporary / "elsewhere")
    assert found.lstat().st_mode & 0o777 == 0o700
    with pytest.raises(EmbeddedError):
        private_folder(taken)


@as_root
def test_settings_of_another_user_are_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "infinitas.toml"
    file.write_text('server = "wss://evil.example"')
    os.chown(file, OTHER, OTHER)
    assert load_settings({}, {}, file).server is None
    assert "belongs to another user" in caplog.text


@as_root
def test_settings_of_another_user_are_followed_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "infinitas.toml"
    file.write_text("concurrency = 3")
    os.chown(file, OTHER, OTHER)
    monkeypatch.setenv("INFINITAS_TRUST_FILES", "1")
    assert load_settings({}, {}, file).concurrency == 3


def test_a_token_of_the_environment_goes_to_no_server_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "infinitas.toml"
    file.write_text('server = "wss://evil.example"')
    environment = {"INFINITAS_TOKEN": "inf_secret"}
    with pytest.raises(ConfigError, match="INFINITAS_SERVER") as refused:
        load_settings({}, environment, file)
    assert "inf_secret" not in str(refused.value)
    ours = {**environment, "INFINITAS_SERVER": "wss://ours.example"}
    assert load_settings({}, ours, file).server == "wss://ours.example"
    assert load_settings({"server": "wss://code.example"}, environment, file).token_text == "inf_secret"


@as_root
def test_servers_of_another_user_are_not_followed(
    tmp_path: Path, servers: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "running.json").write_text(json.dumps({"redis": servers.redis, "postgres": "postgresql://"}))
    os.chown(tmp_path / "running.json", OTHER, OTHER)
    assert running_servers(tmp_path) is None
    assert "running.json belongs to another user" in caplog.text


_LISTEN = """
import os, socket, sys
os.setuid(65534)
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
sys.stdin.read()
"""


@as_root
def test_a_socket_belongs_to_the_user_that_listens() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = f"{folder}/redis.sock"
        assert owner_of_socket(path) is None
        with subprocess.Popen([sys.executable, "-c", _LISTEN, path], stdin=subprocess.PIPE) as other:
            assert eventually(lambda: owner_of_socket(path)) == OTHER
            assert other.stdin is not None
            other.stdin.close()


def test_the_owner_of_our_redis_is_this_user(servers: Urls) -> None:
    assert owner_of_socket(servers.redis.removeprefix("unix://")) == os.getuid()
