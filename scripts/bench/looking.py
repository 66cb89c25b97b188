"""How fast lists and single jobs come out of a large archive, over HTTP."""

import random
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import httpx
import psycopg
from stand import free_port, stand

from infinitas.devservers.postgres import start_postgres

TASKS, FILL = 50, 100_000
_INSERT = """
INSERT INTO infinitas_jobs (id, due_at, task, queue, version, state, reason, attempt, args, created_at,
    started_at, ended_at, worker)
SELECT lpad(n::text, 26, '0'), at, 'task-' || n %% %(tasks)s, 'default', n,
    CASE WHEN n %% 1000 = 0 THEN 'failed' ELSE 'succeeded' END, CASE WHEN n %% 1000 = 0 THEN 'error' END,
    1, '[[],{}]', at, at, at + interval '1 s', 'w'
FROM (SELECT n, now() - n * interval '1 s' AS at FROM generate_series(%(first)s, %(last)s) n) filled
"""


def looking(count: int, requests: int) -> None:
    """`count` jobs in Postgres, `requests` of each kind, one after another."""
    with tempfile.TemporaryDirectory(prefix="infinitas-bench-") as folder, stand() as on:
        postgres, url = start_postgres(Path(folder))
        try:
            port = free_port()
            on.environment["INFINITAS_POSTGRES_URL"] = url
            on.start("server", "--port", str(port), "--rate", "0")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as http:
                _wait(http)
                _fill(url, count)
                chance = random.Random(1)
                kinds = {
                    "list": lambda: "/jobs?limit=50",
                    "list of a task": lambda: f"/jobs?task=task-{chance.randrange(TASKS)}&limit=50",
                    "list of failures": lambda: "/jobs?state=failed&limit=50",
                    "far page": lambda: f"/jobs?limit=50&cursor={_cursor(http, chance, count)}",
                    "show": lambda: f"/jobs/{chance.randrange(1, count):026d}",
                }
                for name, path in kinds.items():
                    took = []
                    for _ in range(requests):
                        asked = path()
                        began = time.perf_counter()
                        answer = http.get(asked)
                        took.append((time.perf_counter() - began) * 1000)
                        answer.raise_for_status()
                    cuts = quantiles(took, n=100, method="inclusive")
                    values = f"p50 {cuts[49]:5.1f} ms   p99 {cuts[98]:5.1f} ms   max {max(took):5.1f} ms"
                    print(f"{name:<17} {values}")
        finally:
            postgres.stop()


def _cursor(http: httpx.Client, chance: random.Random, count: int) -> str:
    """Somewhere in the list."""
    due = http.get(f"/jobs/{chance.randrange(1, count):026d}").json()["due"]
    return str(http.get("/jobs", params={"until": due, "limit": 1}).json()["next"])


def _wait(http: httpx.Client) -> None:
    while True:
        try:
            http.get("/jobs").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)


def _fill(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT infinitas_ensure_month((date_trunc('month', now()) - n * interval '1 month')::date) "
            "FROM generate_series(0, 2) n"
        )
        for first in range(1, count + 1, FILL):
            values = {"tasks": TASKS, "first": first, "last": min(first + FILL - 1, count)}
            connection.execute(_INSERT, values)
        connection.execute("ANALYZE")
