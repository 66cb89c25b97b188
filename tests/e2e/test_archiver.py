"""The archiver is killed in the middle of its work: every row once, summaries = fold of the rows."""

import random
import time
from typing import Any

import psycopg
import pytest
from redis import Redis

from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.support import PATIENCE_S, Processes, eventually

P = "{infinitas:default}:"
JOBS = 20_000
FOLD = """
SELECT task, count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'),
    (array_agg(id ORDER BY started_at DESC, id DESC) FILTER (WHERE started_at IS NOT NULL))[1],
    (array_agg(id ORDER BY ended_at DESC, id DESC) FILTER (WHERE state = 'succeeded'))[1],
    (array_agg(id ORDER BY ended_at DESC, id DESC) FILTER (WHERE state = 'failed'))[1]
FROM infinitas_jobs GROUP BY task ORDER BY task
"""
SUMMARIES = """
SELECT name, succeeded, failed, last_job_id, last_success_id, last_failure_id
FROM infinitas_tasks WHERE last_job_id IS NOT NULL ORDER BY name
"""


@pytest.mark.long
def test_twenty_thousand_jobs_and_five_kills(
    processes: Processes, servers: Urls, redis: Redis, empty_postgres_url: str
) -> None:
    processes.environment["INFINITAS_POSTGRES_URL"] = empty_postgres_url
    app = jobs.app.configure(redis_url=servers.redis)
    archiver = processes.start("archiver")
    eventually(lambda: redis.exists(f"{P}readers"))
    noop, explode = app.find("noop"), app.find("explode")
    noop.send_many([()] * (JOBS - 100))
    explode.send_many([()] * 100)
    app.close()
    processes.environment["INFINITAS_CONCURRENCY"] = "200"
    processes.start("worker", "tests.apps.jobs:app")
    for _ in range(5):
        time.sleep(random.uniform(0.2, 0.9))
        archiver.kill()
        archiver.wait()
        archiver = processes.start("archiver")

    with psycopg.connect(empty_postgres_url, autocommit=True) as db:

        def count() -> int:
            row = db.execute("SELECT count(*) FROM infinitas_jobs WHERE ended_at IS NOT NULL").fetchone()
            return int(row[0]) if row else 0

        eventually(lambda: count() >= JOBS, patience=2 * PATIENCE_S)
        eventually(lambda: redis.xlen(f"{P}events") <= 1)
        total: Any = db.execute("SELECT count(*), count(DISTINCT id) FROM infinitas_jobs").fetchone()
        assert total == (JOBS, JOBS)
        attempts: Any = db.execute("SELECT count(*) FROM infinitas_attempts").fetchone()
        assert attempts == (JOBS,)
        fold = db.execute(FOLD).fetchall()
        assert db.execute(SUMMARIES).fetchall() == fold
        assert [(row[0], row[1], row[2]) for row in fold] == [("explode", 0, 100), ("noop", JOBS - 100, 0)]


def test_postgres_away_loses_nothing(
    processes: Processes, servers: Urls, redis: Redis, postgres_url: str
) -> None:
    """All connections of the archive are cut while jobs run."""
    app = jobs.app.configure(redis_url=servers.redis)
    processes.start("archiver")
    eventually(lambda: redis.exists(f"{P}readers"))
    processes.start("worker", "tests.apps.jobs:app")
    with psycopg.connect(servers.postgres, autocommit=True) as admin:
        for _ in range(10):
            for _ in range(20):
                app.find("noop").send()
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'infinitas:archiver'"
            )
    app.close()
    with psycopg.connect(postgres_url, autocommit=True) as db:

        def succeeded() -> bool:
            row = db.execute("SELECT count(*) FROM infinitas_jobs WHERE state = 'succeeded'").fetchone()
            return row is not None and row[0] == 200

        eventually(succeeded)
        rows = db.execute("SELECT succeeded FROM infinitas_tasks WHERE name = 'noop'").fetchall()
        assert rows == [(200,)]
