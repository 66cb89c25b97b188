"""Redis loses all data under load: nothing that was archived is lost, and no slot is fired twice."""

import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from infinitas.devservers.redis import start_redis
from infinitas.devservers.servers import Urls
from tests.apps import jobs
from tests.support import Processes, eventually

P = "{infinitas:default}:"
EVERY_SECOND = ("tick", "r0", "r1", "paused")
OPEN = "SELECT id FROM infinitas_jobs WHERE state IN ('scheduled', 'queued', 'running', 'retrying')"


def slots_have_ended(db: "psycopg.Connection[Any]", *keys: str) -> bool:
    """Whether the slots of this second have ended, and the next one's are not due yet."""
    second = datetime.now(UTC).replace(microsecond=0)
    ended = "SELECT schedule FROM infinitas_jobs WHERE due_at = %s AND ended_at IS NOT NULL"
    found = {row[0] for row in db.execute(ended, (second,)).fetchall()}
    return found >= set(keys) and datetime.now(UTC) < second + timedelta(seconds=0.8)


def test_a_flushed_redis_is_restored_under_load(
    processes: Processes, servers: Urls, redis: Redis, postgres_url: str, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.touch()
    processes.environment["INFINITAS_TEST_RUNS"] = str(runs)
    processes.start("archiver")
    for part in (("worker", "tests.apps.jobs:app"), ("worker", "tests.apps.jobs:app"), ("scheduler",)):
        processes.start(*part)
    app = jobs.app.configure(redis_url=servers.redis)
    eventually(lambda: redis.hexists(f"{P}tasks", "nap"))
    for key in EVERY_SECOND[1:]:
        app.schedule("nap", "* * * * * *", key=key, args=(0,))
    app.schedules.pause("paused", "why")
    app.schedule("nap", at=datetime.now(UTC) + timedelta(hours=1), key="reminder", args=(0,))
    sent = [app.find("nap").send(6).id for _ in range(3)]
    sent += [app.find("nap").using(delay=5).send(0).id for _ in range(20)]
    with psycopg.connect(postgres_url, autocommit=True) as db:

        def ask(query: str, *values: Any) -> list[Any]:
            return db.execute(query.encode(), values).fetchall()

        def slots(key: str) -> list[datetime]:
            rows = ask("SELECT due_at FROM infinitas_jobs WHERE schedule = %s ORDER BY due_at", key)
            return [row[0] for row in rows]

        eventually(lambda: {row[0] for row in ask(OPEN)} >= set(sent))
        sent += [app.find("nap").send(0).id for _ in range(200)]
        eventually(lambda: slots_have_ended(db, *EVERY_SECOND[1:]))
        redis.flushall()
        flushed = datetime.now(UTC)
        known = {row[0] for row in ask(OPEN)}

        fires_again = "SELECT min(ended_at) FROM infinitas_jobs WHERE schedule = 'r0' AND due_at > %s"
        again = eventually(lambda: ask(fires_again, flushed)[0][0])
        print("fires again after", again - flushed)
        assert redis.hget(f"{P}schedules", "reminder")
        assert redis.hexists(f"{P}paused", "paused")
        still = f"{OPEN} AND id = ANY(%s)"
        eventually(lambda: not ask(still, list(known)))
        ended = ask("SELECT id, state, reason FROM infinitas_jobs WHERE id = ANY(%s)", list(known))
        assert {state for _, state, _ in ended} <= {"succeeded"}
        for key in EVERY_SECOND:
            eventually(lambda key=key: slots(key)[-1] > flushed + timedelta(seconds=3))  # type: ignore[misc]
            found = slots(key)
            assert len(set(found)) == len(found)
            assert (found[-1] - found[0]).total_seconds() == len(found) - 1, f"{key} has a gap"
        states = "SELECT DISTINCT state FROM infinitas_jobs WHERE schedule = 'paused' AND due_at > %s"
        assert ask(states, flushed) == [("skipped",)]
        twice = [id for id, count in Counter(runs.read_text().split()).items() if count > 1]
        assert not [id for id in twice if "@" in id]
        # Those that ran, or had ended and Postgres did not know it yet: under a number that none before had.
        again_as = ask("SELECT attempt FROM infinitas_jobs WHERE id = ANY(%s)", twice)
        assert {attempt for (attempt,) in again_as} <= {1001}
    app.close()


def test_a_redis_that_comes_back_older_runs_no_ended_job_again(postgres_url: str, tmp_path: Path) -> None:
    data = Path(tempfile.mkdtemp(prefix="infinitas-older-"))
    server, url = start_redis(data)
    runs = tmp_path / "runs"
    runs.touch()
    environment = {"INFINITAS_REDIS_URL": url, "INFINITAS_POSTGRES_URL": postgres_url}
    processes = Processes(tmp_path, environment | {"INFINITAS_TEST_RUNS": str(runs)})
    app = jobs.app.configure(redis_url=url)
    redis = Redis.from_url(url, decode_responses=True)
    files, older = data / "redis" / "appendonlydir", tmp_path / "older"
    try:
        redis.config_set("appendfsync", "always")
        for part in (("archiver",), ("scheduler",), ("worker", "tests.apps.jobs:app")):
            processes.start(*part)
        eventually(lambda: redis.hexists(f"{P}tasks", "nap"))
        app.schedule("nap", "* * * * * *", key="r0", args=(0,))
        sent = [app.find("nap").using(delay=1).send(0).id for _ in range(20)]
        sent += [app.find("nap").send(0).id for _ in range(100)]
        shutil.copytree(files, older)
        with psycopg.connect(postgres_url, autocommit=True) as db:
            count = "SELECT count(*) FROM infinitas_jobs WHERE id = ANY(%s) AND state = 'succeeded'"
            eventually(lambda: db.execute(count, (sent,)).fetchone() == (len(sent),))
            eventually(lambda: slots_have_ended(db, "r0"))
            server.stop()
            shutil.rmtree(files)
            shutil.copytree(older, files)
            before = set(runs.read_text().split())
            server, _ = start_redis(data)
            redis.close()
            eventually(lambda: "is restored" in processes.logs())
            new = app.find("nap").send(0).id
            eventually(lambda: app.fetch_job(new).ended)
            following = "SELECT max(id) FROM infinitas_jobs WHERE schedule = 'r0' AND state = 'succeeded'"
            eventually(lambda: db.execute(following).fetchone()[0] > max(id for id in before if "@" in id))  # type: ignore[index]
        times = Counter(runs.read_text().split())
        assert [id for id in sent if times[id] != 1] == []
        assert [id for id, count in times.items() if count > 1] == []
    finally:
        processes.kill_all()
        app.close()
        redis.close()
        server.stop()
        shutil.rmtree(data, ignore_errors=True)
