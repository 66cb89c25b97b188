"""The first view of the page, on many tasks and a large archive: its requests, and in a browser."""

import asyncio
import os
import time

import httpx
from environment import environment
from first_view import first_views
from options import Arguments, Parser, whole
from page_data import fill_archive, fill_redis, iso
from processes import free_port, wait
from rounds import percentiles
from systems.tables import INFINITAS

DAY_S = 86_400
VIEWS = 10


def add_options(parser: Parser) -> None:
    parser.add_argument("--tasks", type=whole, default=1_000)
    parser.add_argument("--jobs", type=whole, default=1_000_000, help="In the archive, of thirty days.")
    parser.add_argument("--requests", type=whole, default=50)


def run(args: Arguments) -> None:
    """Each request `requests` times, one after another."""
    with environment(dev=True, postgres=True) as on:
        port = free_port()
        on.start(f"{INFINITAS} server --port {port} --rate 0")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            wait(lambda: _answers(http), 60)
            began = time.monotonic()
            asyncio.run(fill_redis(on.url, args.tasks))
            fill_archive(on.postgres, args.tasks, args.jobs)
            print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
            for name in requests_of_page():
                measured = [_time(http, requests_of_page()[name]) for _ in range(args.requests)]
                took, size = [ms for ms, _ in measured], max(size for _, size in measured)
                p50, _, largest = percentiles(took)
                p95 = sorted(took)[round(len(took) * 0.95) - 1]
                print(
                    f"{name:<24} p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   max {largest:6.1f} ms"
                    f"   {size / 1000:7,.0f} kB",
                    flush=True,
                )
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        views = first_views(f"http://127.0.0.1:{port}/", VIEWS)
        if views:
            p50, _, largest = percentiles(views)
            print(f"first view in Chromium   p50 {p50:6.1f} ms   max {largest:6.1f} ms", flush=True)


def requests_of_page() -> dict[str, str]:
    """Paths by name, with times around now."""
    now = time.time()
    day = f"since={iso(now - DAY_S)}&until={iso(now + DAY_S)}".replace("+", "%2B")
    week = f"since={iso(now - 7 * DAY_S)}&until={iso(now + 7 * DAY_S)}".replace("+", "%2B")
    return {
        "tasks": "/tasks",
        "one task": "/tasks/task-7",
        "schedules": "/schedules?limit=500",
        "workers": "/workers",
        "queues": "/queues",
        "running jobs": "/jobs?state=running",
        "timeline of ±24 h": f"/timeline?{day}&bucket=300",
        "timeline of ±7 d": f"/timeline?{week}&bucket=3600",
        "timeline of one task": f"/timeline?{day}&bucket=300&task=task-7",
        "statistics": "/statistics",
        "statistics of one task": "/statistics?task=task-7",
        "failed jobs": "/jobs?state=failed",
    }


def _time(http: httpx.Client, path: str) -> tuple[float, int]:
    began = time.perf_counter()
    answer = http.get(f"/api/v1{path}")
    took = (time.perf_counter() - began) * 1000
    answer.raise_for_status()
    return took, len(answer.content)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False
