"""`infinitas restore`, by hand."""

import json

import psycopg
from redis import Redis

from tests.apps import jobs
from tests.support import Processes, eventually

P = "{infinitas:default}:"


def test_a_flushed_redis_is_restored_by_hand(processes: Processes, redis: Redis, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as db:
        app = jobs.app.configure(redis_url=processes.environment["INFINITAS_REDIS_URL"])
        assert processes.call("sync", "tests.apps.jobs:app").returncode == 0
        job = app.find("noop").send().id
        archiver = processes.start("archiver")
        eventually(lambda: db.execute("SELECT 1 FROM infinitas_jobs WHERE id = %s", (job,)).fetchone())
        archiver.kill()
        archiver.wait()
        app.close()
    redis.flushall()
    counted = processes.call("restore", "--dry-run", "-o", "json")
    assert redis.dbsize() == 0
    (queue,) = json.loads(counted.stdout)["queues"]
    assert (queue["queue"], queue["counts"]["jobs"], queue["faults"]) == ("default", 1, [])
    # As a restore leaves it that was killed.
    redis.set(f"{P}restoring", "7", px=300)
    assert "1 jobs put back" in processes.call("restore").stdout
    assert redis.hget(f"{P}job:{job}", "state") == "queued"
    assert "lacks nothing" in processes.call("restore").stdout
