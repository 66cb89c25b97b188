"""Keys of a system are deleted by hand: a scheduler that starts has it all running again, or ended."""

from typing import Any

import psycopg
from redis import Redis

from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.support import Processes, eventually

P = "{infinitas:default}:"


def test_a_scheduler_that_starts_mends_what_was_deleted(
    processes: Processes, servers: Urls, redis: Redis, postgres_url: str
) -> None:
    app = jobs.app.configure(redis_url=servers.redis)
    scheduler = processes.start("scheduler")
    processes.start("archiver")
    first_worker = processes.start("worker", "tests.apps.jobs:app")
    app.schedule("slow", "* * * * * *", key="gone", args=(600,))
    eventually(lambda: redis.zcard(f"{P}due") >= 2)
    slot = eventually(lambda: redis.hget(f"{P}live", "gone"))
    eventually(lambda: redis.hget(f"{P}job:{slot}", "state") == "running")
    queue_is_up = app.find("noop").send()
    eventually(lambda: redis.hget(f"{P}job:{queue_is_up.id}", "state") == "succeeded")
    scheduler.kill()
    scheduler.wait()
    first_worker.kill()
    first_worker.wait()

    waiting, delayed = app.find("noop").send(), app.find("noop").using(delay=0.5).send()
    lost = app.find("noop").using(delay=600).send()
    keys = (f"{P}due", f"{P}stream:noop", f"{P}job:{slot}", f"{P}job:{lost.id}")
    redis.zrem(f"{P}later", delayed.id)
    assert redis.delete(*keys) == len(keys)
    app.close()
    processes.start("worker", "tests.apps.jobs:app")
    processes.start("scheduler")

    for id in (waiting.id, delayed.id):
        eventually(lambda id=id: redis.hget(f"{P}job:{id}", "state") == "succeeded")  # type: ignore[misc]
    following: Any = eventually(lambda: redis.hget(f"{P}live", "gone") not in (slot, None))
    assert following, "the schedule fires again"
    with psycopg.connect(postgres_url, autocommit=True) as db:

        def row(id: Any) -> Any:
            return db.execute("SELECT state, reason FROM infinitas_jobs WHERE id = %s", (id,)).fetchone()

        eventually(lambda: row(slot) == row(lost.id) == ("failed", "lost"))
        eventually(lambda: row(waiting.id) == row(delayed.id) == ("succeeded", None))
        doubles = db.execute("SELECT id FROM infinitas_jobs GROUP BY id HAVING count(*) > 1").fetchall()
        assert doubles == []
    eventually(lambda: "Mended in Redis: " in processes.logs())
