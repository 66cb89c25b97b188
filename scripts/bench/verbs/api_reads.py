"""Lists and single jobs of a large archive over HTTP: milliseconds of a request."""

import random
import time
from collections.abc import Callable

import httpx
import psycopg
from environment import environment
from options import Arguments, Parser, whole
from processes import free_port
from rounds import percentiles
from systems.tables import INFINITAS

TASKS, FILL = 50, 100_000
PATIENCE_S = 60
_MONTHS = """
SELECT infinitas_ensure_month((date_trunc('month', now()) - n * interval '1 month')::date)
FROM generate_series(0, 2) n
"""
_INSERT = """
INSERT INTO infinitas_jobs (id, due_at, task, queue, version, state, reason, attempt, args, created_at,
    started_at, ended_at, worker)
SELECT lpad(n::text, 26, '0'), at, 'task-' || n %% %(tasks)s, 'default', n,
    CASE WHEN n %% 1000 = 0 THEN 'failed' ELSE 'succeeded' END, CASE WHEN n %% 1000 = 0 THEN 'error' END,
    1, '[[],{}]', at, at, at + interval '1 s', 'w'
FROM (SELECT n, now() - n * interval '1 s' AS at FROM generate_series(%(first)s::int, %(last)s::int) n) filled
"""


def add_options(parser: Parser) -> None:
    parser.add_argument("--jobs", type=whole, default=1_000_000)
    parser.add_argument("--requests", type=whole, default=300)


def run(args: Arguments) -> None:
    """`jobs` in Postgres, `requests` of each kind, one after another."""
    chance, count = random.Random(1), args.jobs
    with environment(dev=True, postgres=True) as on:
        port = free_port()
        on.start(f"{INFINITAS} server --port {port} --rate 0 --open")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as http:
            _wait_for(http)
            _fill(on.postgres, count)
            kinds: dict[str, Callable[[], str]] = {
                "list": lambda: "/jobs?limit=50",
                "list of a task": lambda: f"/jobs?task=task-{chance.randrange(TASKS)}&limit=50",
                "list of failures": lambda: "/jobs?state=failed&limit=50",
                "far page": lambda: f"/jobs?limit=50&cursor={_cursor(http, chance, count)}",
                "show": lambda: f"/jobs/{chance.randrange(1, count):026d}",
            }
            for name, path in kinds.items():
                took = [_time(http, path()) for _ in range(args.requests)]
                p50, p99, largest = percentiles(took)
                print(f"{name:<17} p50 {p50:5.1f} ms   p99 {p99:5.1f} ms   max {largest:5.1f} ms")


def _time(http: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = http.get(path)
    took = (time.perf_counter() - began) * 1000
    answer.raise_for_status()
    return took


def _cursor(http: httpx.Client, chance: random.Random, count: int) -> str:
    """A random place in the list."""
    due = http.get(f"/jobs/{chance.randrange(1, count):026d}").json()["due"]
    return str(http.get("/jobs", params={"until": due, "limit": 1}).json()["next"])


def _wait_for(http: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            http.get("/jobs").raise_for_status()
            return
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server did not answer within {PATIENCE_S} s: {error}") from None
            time.sleep(0.1)


def _fill(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_MONTHS)
        for first in range(1, count + 1, FILL):
            values = {"tasks": TASKS, "first": first, "last": min(first + FILL - 1, count)}
            connection.execute(_INSERT, values)
        connection.execute("ANALYZE")
