"""Remote workers and pages on one server process: jobs a second through WebSockets, CPU, memory."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import slots
from environment import PREFIX, environment
from options import Arguments, Parser, whole
from processes import cpu_seconds, free_port, rss_mb, wait
from systems.infinitas_waiting import app, noop
from systems.tables import INFINITAS

LOAD = Path(__file__).parents[1] / "socket_load.py"
IDLE_S = 10.0
BATCH = 500
PATIENCE_S = 300


def add_options(parser: Parser) -> None:
    parser.add_argument("--workers", type=whole, default=500)
    parser.add_argument("--feeds", type=int, default=200, help="Pages that follow events.")
    parser.add_argument("--jobs", type=whole, default=20_000)
    parser.add_argument("--compare", action="store_true", help="First without any page.")
    parser.add_argument("--capacity", type=whole, default=10, help="Jobs that a worker runs at once.")


def run(args: Arguments) -> None:
    """`workers` sockets drain `jobs`, while `feeds` pages receive events; with `--compare` also without."""
    rates = {}
    for feeds in (0, args.feeds) if args.compare else (args.feeds,):
        rates[feeds] = _drain(args, feeds)
    if args.compare:
        alone, watched = rates[0], rates[args.feeds]
        print(
            f"{alone:,.0f} jobs/s without pages, {watched:,.0f} with {args.feeds}: "
            f"{watched / alone:.2f} of it; "
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )


def _drain(args: Arguments, feeds: int) -> float:
    """Jobs a second, on servers of their own."""
    workers, jobs = args.workers, args.jobs
    with environment(dev=True) as on:
        slots.keep_events(on)
        app.configure(redis_url=on.url)
        port = free_port()
        server = on.start(f"{INFINITAS} server --port {port} --open")
        # The first send declares the task, which the remote workers name.
        noop.send()
        load = [_start(port, "page", feeds, 0)] if feeds else []
        load.append(_start(port, "worker", workers, args.capacity))
        try:
            wait(lambda: on.redis.hlen(f"{PREFIX}members") == workers, PATIENCE_S, 0.02)
            wait(lambda: count_pages(port) == feeds, PATIENCE_S, 0.1)
            cpu = cpu_seconds(server.pid)
            time.sleep(IDLE_S)
            idle, memory = (cpu_seconds(server.pid) - cpu) / IDLE_S * 100, rss_mb(server.pid)
            print(f"{workers} workers and {feeds} pages, idle: {idle:.1f} % of a core, {memory:.0f} MB")
            cpu, redis = cpu_seconds(server.pid), on.redis_cpu()
            began = time.monotonic()
            for _ in range(0, jobs, BATCH):
                noop.send_many([()] * BATCH)
            sent_s = time.monotonic() - began
            wait(lambda: on.redis.xlen(slots.STREAM) == 0, PATIENCE_S, 0.02)
            took = time.monotonic() - began
            cpu, redis = cpu_seconds(server.pid) - cpu, on.redis_cpu() - redis
            print(
                f"{jobs:,} jobs (sent within {sent_s:.1f} s) done in {took:.1f} s: {jobs / took:,.0f}/s; "
                f"CPU per 1,000 jobs: server {cpu / jobs * 1e6:.0f} ms, Redis {redis / jobs * 1e6:.0f} ms; "
                f"server {rss_mb(server.pid):.0f} MB",
                flush=True,
            )
            return jobs / took
        finally:
            app.close()
            for each in load:
                each.kill()
                each.wait()


def count_pages(port: int) -> int:
    """How many pages follow the events of this server."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        found = re.search(r'infinitas_ws_connections\{role="page"\} (\d+)', answer.read().decode())
    return int(found[1]) if found else 0


def _start(port: int, kind: str, count: int, capacity: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(LOAD), str(port), kind, str(count), str(capacity)])
