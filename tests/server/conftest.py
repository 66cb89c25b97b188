"""A real `infinitas server` on this test's own servers."""

import asyncio
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from infinitas.broker.connection import Connection
from infinitas.broker.messages import Declarer
from infinitas.broker.queue import QueueBroker
from infinitas.devservers.servers import Urls
from tests.e2e import jobs
from tests.server.peer import Peer
from tests.support import Processes, eventually

APP = "tests.e2e.jobs:app"
MakeToken = Callable[..., str]


@pytest.fixture
def http(processes: Processes, servers: Urls) -> Iterator[httpx.Client]:
    """A client of a server that has no tokens and has the tasks of `tests.e2e.jobs` declared."""
    asyncio.run(_declare(servers.redis))
    processes.start("server", "--port", "0")
    with httpx.Client(base_url=address(processes), timeout=10) as client:
        yield client


@pytest.fixture
def archiver(processes: Processes) -> None:
    """Records history."""
    processes.start("archiver")


async def _declare(redis_url: str) -> None:
    """Declare the tasks, as `infinitas sync` does."""
    connection = Connection(redis_url, "test")
    tasks = jobs.app.tasks.values()
    declarer = Declarer(born=await connection.now())
    schedules = [task.schedule for task in tasks if task.schedule]
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([task.definition for task in tasks], schedules, declarer)
    await connection.close()


def address(processes: Processes, host: str = "127.0.0.1") -> str:
    """The server's address, out of its log."""
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
    """Connects pages to the server of `http`."""
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
