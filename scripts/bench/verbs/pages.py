"""A drain with open pages: jobs a second without and with them, and the frames of one in a browser."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chromium import chromium
from environment import PREFIX, Environment, environment
from frames import Watched
from options import Arguments, Parser, whole
from page_data import fill_redis
from processes import accepts, cpu_seconds, free_port, wait
from systems.tables import INFINITAS
from verbs.sockets import count_pages

LOAD = Path(__file__).parents[1] / "page_load.py"
APP = "infinitas_waiting:app"
BATCH, PATIENCE_S, REST_S = 500, 300, 3.0


def add_options(parser: Parser) -> None:
    parser.add_argument("--pages", type=whole, default=200, help="Open pages, one of them in Chromium.")
    parser.add_argument("--jobs", type=whole, default=20_000)
    parser.add_argument("--tasks", type=whole, default=100)


def run(args: Arguments) -> None:
    """Twice on servers of their own: without a page, then with `pages`."""
    alone, watched = (_drain(pages, args) for pages in (0, args.pages))
    print(
        f"{alone:,.0f} jobs/s without pages, {watched:,.0f} with {args.pages}: {watched / alone:.2f} of it; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def _drain(pages: int, args: Arguments) -> float:
    """Jobs a second until the last has ended."""
    with environment(dev=True, postgres=True) as on:
        port = free_port()
        server = on.start(f"{INFINITAS} server --port {port} --rate 0")
        on.start(f"{INFINITAS} archiver")
        on.start(f"{INFINITAS} worker {APP} -c 100")
        wait(lambda: accepts(port) and on.redis.hexists(f"{PREFIX}tasks", "noop"), PATIENCE_S, 0.05)
        # Before the browser, whose loop runs in this thread.
        asyncio.run(fill_redis(on.url, args.tasks))
        with _open_pages(port, pages) as shown:
            wait(lambda: count_pages(port) == pages, PATIENCE_S, 0.1)
            time.sleep(REST_S)
            if shown:
                shown.begin()
            cpu, redis = cpu_seconds(server.pid), on.redis_cpu()
            took = _send_and_wait(on, args.jobs)
            cpu, redis = cpu_seconds(server.pid) - cpu, on.redis_cpu() - redis
            print(
                f"{pages} pages: {args.jobs:,} jobs in {took:.1f} s, {args.jobs / took:,.0f}/s; "
                f"CPU: server {cpu / took:.0%} of a core, Redis {redis / took:.0%}",
                flush=True,
            )
            time.sleep(REST_S)
            if shown:
                print(f"the page in Chromium meanwhile: {shown.end()}", flush=True)
            return args.jobs / took


@contextmanager
def _open_pages(port: int, pages: int) -> Iterator[Watched | None]:
    """Yields the one in Chromium, if there is one."""
    if not pages:
        yield None
        return
    with chromium() as browser:
        shown = Watched(browser, f"http://127.0.0.1:{port}/") if browser else None
        others = pages - 1 if shown else pages
        load = subprocess.Popen([sys.executable, str(LOAD), str(port), str(others)])
        try:
            yield shown
        finally:
            load.kill()
            load.wait()


def _send_and_wait(on: Environment, jobs: int) -> float:
    """Seconds."""
    from systems.infinitas_waiting import app, noop

    app.configure(redis_url=on.url)
    began = time.monotonic()
    for _ in range(0, jobs, BATCH):
        noop.send_many([()] * BATCH)
    wait(lambda: on.redis.xlen(f"{PREFIX}stream:noop") == 0, PATIENCE_S, 0.02)
    took = time.monotonic() - began
    app.close()
    return took
