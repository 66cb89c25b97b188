"""An archiver of many queues: a few connections, and each queue's events are archived."""

from collections.abc import Callable

import psycopg
from redis import Redis

from infinitas import Infinitas
from infinitas.broker.keys import QUEUES
from tests.support import aeventually, finished, running

MANY = 300


async def test_many_queues_need_few_connections(
    make_app: Callable[..., Infinitas], redis: Redis, postgres_url: str
) -> None:
    queues = [f"q{n}" for n in range(MANY)]
    app = make_app(postgres_url=postgres_url)

    @app.task(queue=queues[-1])
    async def noop() -> None: ...

    redis.sadd(QUEUES, *queues)
    async with running(app, archiver=True):
        handle = await noop.asend()
        await finished(app, handle)
        with psycopg.connect(postgres_url, autocommit=True) as admin:

            async def archived() -> bool:
                row = admin.execute(
                    "SELECT count(*) FROM infinitas_jobs WHERE state = 'succeeded'"
                ).fetchone()
                return row == (1,)

            async def visited() -> bool:
                """Each recorder has read its position, and waits."""
                return len(redis.keys("*:readers")) >= MANY

            await aeventually(archived)
            await aeventually(visited)
            row = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'infinitas:archiver'"
            ).fetchone()
        assert row is not None
        assert row[0] <= 5
        clients = redis.client_list()
        assert sum(each["cmd"] == "xread" and "b" in each["flags"] for each in clients) <= 1
