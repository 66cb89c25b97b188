"""`around_code`: entered where the code of a job runs, so that it reaches what belongs to that thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infinitas import Infinitas, Job, Plugin
from infinitas.devservers.servers import Urls
from tests.apps import around
from tests.django_setup import set_up_django
from tests.support import finished, running


async def test_around_code_is_entered_where_the_code_runs(servers: Urls, redis: object) -> None:
    app = around.app.configure(redis_url=servers.redis)
    async with running(app):
        for task in (around.in_thread, around.in_process, around.async_in_process):
            assert (await finished(app, await task.asend())).result is True, task.name
        job = await finished(app, await around.fails.asend())
        assert job.error == "ValueError: as the code does"
        assert "fails raised as the code does" in around.left
        job = await finished(app, await around.refused.asend())
        assert job.error == "ConnectionError: no connection"
        job = await finished(app, await around.suppressed.asend())
        assert job.state == "failed"
        assert "suppressed" in (job.error or "")
    app.close()


class CloseOldConnections(Plugin):
    """The plugin of docs/frameworks.md."""

    @contextmanager
    def around_code(self, job: Job) -> Iterator[None]:
        from django.db import close_old_connections

        close_old_connections()
        try:
            yield
        finally:
            close_old_connections()


@pytest.fixture
def orm(empty_postgres_url: str) -> Iterator[Any]:
    """Django's default connection: to a database of this test."""
    set_up_django()
    from django.db import connections

    given: dict[str, Any] = conninfo_to_dict(empty_postgres_url)
    default = connections.settings["default"]
    of_project = dict(default)
    _forget_connection(connections)
    default.update(
        ENGINE="django.db.backends.postgresql",
        NAME=given["dbname"],
        USER=given.get("user", ""),
        HOST=given.get("host", ""),
        CONN_MAX_AGE=None,
    )
    yield connections
    connections.close_all()
    default.update(of_project)
    _forget_connection(connections)


def _forget_connection(connections: Any) -> None:
    """This thread's, which is of the engine that it was made with."""
    with suppress(AttributeError):
        del connections["default"]


@pytest.mark.parametrize("plugins", [[], [CloseOldConnections()]], ids=["without", "with"])
async def test_jobs_survive_that_the_database_drops_the_connections_of_django(
    make_app: Callable[..., Infinitas], orm: Any, empty_postgres_url: str, plugins: list[Plugin]
) -> None:
    app = make_app(plugins=plugins, concurrency=1)

    @app.task
    def close() -> None:
        orm.close_all()

    @app.task
    def pid() -> int:
        with orm["default"].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    async with running(app):
        first = await (await pid.asend()).result(60)
        with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 10000)", [first])
        # The job that meets the broken connection fails; those after it must not.
        states = [(await finished(app, await pid.asend())).state.value for _ in range(3)]
        await (await close.asend()).result(60)
    assert states[1:] == (["succeeded"] * 2 if plugins else ["failed"] * 2)
