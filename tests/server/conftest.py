"""A real `infinitas server` on this test's own servers."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.server.peer import Peer
from tests.support import Processes, eventually

APP = "tests.e2e.jobs:app"
MakeToken = Callable[..., str]


@pytest.fixture
def http(processes: Processes) -> Iterator[httpx.Client]:
    """Speaks to a server that has no tokens and knows the tasks of `tests.e2e.jobs`."""
    processes.start("archiver")
    eventually(lambda: processes.run("job", "ls").returncode == 0)
    assert processes.run("sync", APP).returncode == 0
    processes.start("server", "--port", "0")
    with httpx.Client(base_url=address(processes), timeout=10) as client:
        yield client


def address(processes: Processes, host: str = "127.0.0.1") -> str:
    """Where the server says that it answers."""
    return eventually(lambda: re.search(rf"http://{re.escape(host)}:\d+", processes.logs()))[0]


@pytest.fixture
def make_token(processes: Processes) -> MakeToken:
    def make(*scopes: str, expires: str | None = None) -> str:
        options = [option for scope in scopes for option in ("--scope", scope)]
        ends = ["--expires", expires] if expires else []
        made = processes.run("token", "add", "-".join(scopes), *options, *ends)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    return make


MakePeer = Callable[..., Peer]


@pytest.fixture
def make_peer(http: httpx.Client) -> Iterator[MakePeer]:
    """Connects workers to the server of `http`."""
    peers: list[Peer] = []

    def make(token: str | None = None) -> Peer:
        peers.append(Peer(str(http.base_url), token))
        return peers[-1]

    yield make
    for peer in peers:
        peer.drop()


MakePage = Callable[..., Peer]


@pytest.fixture
def make_page(http: httpx.Client) -> Iterator[MakePage]:
    """Connects listeners to the server of `http`."""
    pages: list[Peer] = []

    def make(token: str | None = None) -> Peer:
        pages.append(Peer(str(http.base_url), token, "/api/v1/feed"))
        return pages[-1]

    yield make
    for page in pages:
        page.drop()


@pytest.fixture
def scheduler(processes: Processes) -> None:
    """Fires, promotes and rescues; leases are short."""
    processes.start("scheduler")
