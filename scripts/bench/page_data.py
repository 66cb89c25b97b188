"""What the page shows of a large installation: tasks with schedules, workers, live jobs, history."""

import json
import time
from datetime import UTC, datetime

import psycopg
from environment import PREFIX
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.messages import ClaimRequest, NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.client.job_ids import fresh_id
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition

WORKERS, PLACES, RECENT, FILL, DAYS = 20, 10, 10, 500_000, 30
LEASE_S = 86_400
_MONTHS = """
SELECT infinitas_ensure_month((date_trunc('month', now()) - n * interval '1 month')::date)
FROM generate_series(0, 2) n
"""
_INSERT = """
INSERT INTO infinitas_jobs (id, due_at, task, queue, version, state, reason, attempt, schedule, args,
    created_at, started_at, ended_at, worker)
SELECT lpad(n::text, 26, '0'), at, 'task-' || n %% %(tasks)s, 'default', n,
    CASE WHEN n %% 1009 = 0 THEN 'failed' WHEN n %% 5003 = 0 THEN 'skipped' ELSE 'succeeded' END,
    CASE WHEN n %% 1009 = 0 THEN 'error' WHEN n %% 5003 = 0 THEN 'overlap' END, 1, 'task-' || n %% %(tasks)s,
    '[[],{}]', at, at + n %% 97 * interval '1 ms', at + (n %% 97 + n %% 7919) * interval '1 ms', 'w'
FROM (
    SELECT n, now() - (%(jobs)s - n) * %(days)s * interval '1 day' / %(jobs)s AS at
    FROM generate_series(%(first)s::int, %(last)s::int) n
) filled
"""
_TASKS = """
INSERT INTO infinitas_tasks (name, queue)
SELECT 'task-' || n, 'default' FROM generate_series(0, %(tasks)s - 1) n ON CONFLICT DO NOTHING
"""
_INDEXES = """
SELECT indexrelid::regclass::text, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index
WHERE indrelid = 'infinitas_jobs'::regclass AND NOT indisprimary
"""
_COUNTS = """
INSERT INTO infinitas_job_counts (task, size, start, state, reason, jobs)
SELECT task, size, start, state, infinitas_counted_reason(state, reason), count(*)
FROM infinitas_jobs, infinitas_parts(due_at) GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 3
"""
_LAGS = """
INSERT INTO infinitas_lags
SELECT queue, infinitas_quarter(due_at), infinitas_lag(due_at, started_at), count(*)
FROM infinitas_jobs GROUP BY 1, 2, 3
"""


def fill_archive(url: str, tasks: int, jobs: int) -> None:
    """`jobs` of the last thirty days, evenly, in the order in which an archiver would have written them."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(_MONTHS)
        connection.execute(_TASKS, {"tasks": tasks})
        # One index at a time is faster than each row in all of them.
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")  # type: ignore[arg-type]
        for first in range(1, jobs + 1, FILL):
            values = {"tasks": tasks, "jobs": jobs, "days": DAYS, "first": first}
            connection.execute(_INSERT, values | {"last": min(first + FILL - 1, jobs)})
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute(_COUNTS)
        connection.execute(_LAGS)
        connection.execute("VACUUM ANALYZE")


async def fill_redis(url: str, tasks: int) -> None:
    """Tasks with a schedule each, workers that run jobs, and the last ten ended jobs of each task."""
    connection = Connection(url, "bench")
    broker = QueueBroker(connection, "default")
    names = [f"task-{n}" for n in range(tasks)]
    definitions = [TaskDefinition(name=name, doc="A task of the benchmark.") for name in names]
    await broker.declarations.declare(definitions, [_rule(n, name) for n, name in enumerate(names)])
    for n in range(WORKERS):
        worker = f"worker-{n}"
        await broker.workers.join(worker, names, LEASE_S)
        jobs = [
            NewJob(id=fresh_id(), task=names[(n * PLACES + i) % tasks], args="[[],{}]") for i in range(PLACES)
        ]
        await broker.jobs.enqueue(jobs)
        groups = [sorted({job.task for job in jobs})]
        await broker.jobs.claim(
            ClaimRequest(worker=worker, most=PLACES, start=0, groups=groups, job_ttl_s=LEASE_S)
        )
    await connection.close()
    _add_recent(url, names)
    _add_facts(url, names)


def _rule(n: int, name: str) -> Schedule:
    """Minutely, hourly, daily and by interval, in several zones."""
    zone = ("UTC", "Europe/Copenhagen", "America/New_York")[n % 3]
    crons = (f"{n % 60} * * * *", "* * * * *", f"{n % 60} {n % 24} * * *")
    if n % 4 == 3:
        return Schedule(key=name, task=name, every_ms=60_000 + n * 1_000)
    return Schedule(key=name, task=name, cron=crons[n % 4], timezone=zone)


def _add_recent(url: str, names: list[str]) -> None:
    now = round(time.time() * 1000)
    redis: Redis = Redis.from_url(url, decode_responses=True)
    for name in names:
        pipe = redis.pipeline(transaction=False)
        for n in range(RECENT):
            job, ended = fresh_id(), now - (RECENT - n) * 60_000
            facts = {"job": job, "state": "succeeded", "ended": ended, "ms": 120 + n}
            pipe.rpush(f"{PREFIX}recent:{name}", json.dumps(facts))
            fields = {"task": name, "args": "[[],{}]", "due": ended, "state": "succeeded", "attempt": 1}
            pipe.hset(f"{PREFIX}job:{job}", mapping=fields | {"started": ended - 100, "ended": ended})
        pipe.hset(f"{PREFIX}task:{name}", mapping={"last_job": "x", "last_job_date": now, "streak": 9})
        pipe.execute()
    redis.close()


def _add_facts(url: str, names: list[str]) -> None:
    """What each worker stores of itself."""
    now = round(time.time() * 1000)
    facts = {"host": "host", "pid": 1, "version": "0", "started": now, "last_beat": now, "capacity": PLACES}
    facts |= {"busy": PLACES, "queues": '["default"]', "tasks": json.dumps(names)}
    redis: Redis = Redis.from_url(url, decode_responses=True)
    for n in range(WORKERS):
        redis.hset(f"infinitas:worker:worker-{n}", mapping=facts)
    redis.close()


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
