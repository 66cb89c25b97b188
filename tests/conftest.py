"""Fixtures: real servers, started here, on private sockets in a temporary folder."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from infinitas import Infinitas, Plugin
from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from tests.support import Processes


@pytest.fixture(scope="session")
def servers(infinitas_servers: Urls) -> Urls:
    """One Redis and one Postgres for this test process."""
    return infinitas_servers


@pytest.fixture
def redis(servers: Urls) -> Iterator[redis_client.Redis]:
    """An empty Redis."""
    client = redis_client.Redis.from_url(servers.redis, decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def postgres_url(servers: Urls) -> Iterator[str]:
    """An empty database of its own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield servers.postgres.replace("/postgres?", f"/{name}?")
    with psycopg.connect(servers.postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def make_app(servers: Urls, redis: object, postgres_url: str) -> Iterator[Callable[..., Infinitas]]:
    """Makes apps on this test's servers, and closes them."""
    apps: list[Infinitas] = []

    def make(*, archive: bool = False, plugins: Iterable[Plugin] = (), **arguments: object) -> Infinitas:
        url = postgres_url if archive else None
        app = Infinitas(redis_url=servers.redis, postgres_url=url, plugins=plugins)
        apps.append(app.configure(**arguments))
        return app

    yield make
    for app in apps:
        app.close()


@pytest.fixture
def app(make_app: Callable[..., Infinitas]) -> Infinitas:
    return make_app()


@pytest.fixture
def processes(servers: Urls, redis: object, postgres_url: str, tmp_path: Path) -> Iterator[Processes]:
    """Real `infinitas` processes on this test's servers; killed at the end."""
    started = Processes(
        tmp_path,
        {"INFINITAS_REDIS_URL": servers.redis, "INFINITAS_POSTGRES_URL": postgres_url},
    )
    yield started
    started.kill_all()


@pytest.fixture
async def broker(servers: Urls, redis: object) -> AsyncIterator[QueueBroker]:
    """The edges of the default queue, with one task `t` and two members, `w1` and `w2`."""
    connection = Connection(servers.redis, "test")
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([TaskDefinition(name="t")], [])
    for worker in ("w1", "w2"):
        await broker.workers.join(worker, ["t"], 60)
    yield broker
    await connection.close()
