"""Fixtures: real servers, started here, on private sockets in a temporary folder."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis as redis_client

from infinitas import Infinitas, Plugin
from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from tests.databases import Databases
from tests.support import Processes

pytest_plugins = ["tests.provider_fixture", "tests.server_fixtures", "tests.server.thread_server"]

# How fast an example runs depends on the machine, and proves nothing.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="write tests/*/snapshots anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: none of them is left over for one of two test processes at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


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


@pytest.fixture(scope="session")
def databases(servers: Urls) -> Databases:
    return Databases(servers.postgres)


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """A database of its own, with the tables of the archive, which are empty."""
    with databases.database() as url:
        yield url


@pytest.fixture
def empty_postgres_url(databases: Databases) -> Iterator[str]:
    """A database of its own without any table."""
    with databases.database("TEMPLATE template0") as url:
        yield url


@pytest.fixture
def make_app(
    servers: Urls, redis: object, databases: object, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Infinitas]]:
    """Makes apps on this test's servers, and closes them; `archive=True`: with its `postgres_url`."""
    apps: list[Infinitas] = []

    def make(
        name: str | None = None,
        *,
        archive: bool = False,
        plugins: Iterable[Plugin] = (),
        **arguments: object,
    ) -> Infinitas:
        url = request.getfixturevalue("postgres_url") if archive else None
        app = Infinitas(name, redis_url=servers.redis, postgres_url=url, plugins=plugins)
        apps.append(app.configure(**arguments))
        return app

    yield make
    for app in apps:
        app.close()


@pytest.fixture
def app(make_app: Callable[..., Infinitas]) -> Infinitas:
    return make_app()


@pytest.fixture
def processes(
    servers: Urls, redis: object, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Processes]:
    """Real `infinitas` processes on this test's servers; killed at the end.

    They have an archive where the test requests `postgres_url` too.
    """
    environment = {"INFINITAS_REDIS_URL": servers.redis}
    if "postgres_url" in request.fixturenames:
        environment["INFINITAS_POSTGRES_URL"] = request.getfixturevalue("postgres_url")
    started = Processes(tmp_path, environment)
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
