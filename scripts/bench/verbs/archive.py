"""From send to the row in Postgres: rate, CPU, and how far the archive falls behind; beside other systems."""

import time
from typing import Any

from environment import PREFIX, Environment, environment
from options import Arguments, Parser, add_against, add_rounds, add_systems, chosen, whole
from processes import tree_cpu, wait
from psycopg import connect
from psycopg.errors import UndefinedTable
from rounds import Figures, in_turn, report
from systems.tables import ARCHIVE_SYSTEMS, INFINITAS, System

LOAD_S, PAUSE_S = 20.0, 0.05
ARCHIVER = f"{INFINITAS} archiver"
OUR_ROWS = "SELECT coalesce(sum(succeeded), 0) FROM infinitas_tasks"
ROWS = {
    "procrastinate": "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
    "celery": "SELECT count(*) FROM celery_taskmeta",
}


def add_options(parser: Parser) -> None:
    add_systems(parser, ROWS)
    add_against(parser)
    add_rounds(parser)
    parser.add_argument("--jobs", type=whole, default=50_000)
    parser.add_argument("--rate", type=whole, default=5_000, help="Jobs a second, for 20 s; ours only.")


def run(args: Arguments) -> None:
    """A backlog of `jobs`, with a worker, to the last row; ours also `rate` jobs a second for a while."""

    def measure(name: str, system: System) -> Figures:
        with environment(system, aof=args.aof, postgres=True) as on:
            if name in ROWS:
                return _drain_other(on, system, ROWS[name], args.jobs)
            return {**_drain(on, system, args.jobs), **_sustain(on, system, args.rate)}

    with chosen(args.system, ARCHIVE_SYSTEMS, args.against) as systems:
        found = in_turn(systems, args.rounds, measure, {"jobs/s": "jobs/s {:,.2f}"})
    report("to the last row", found, args.out, against=args.against)


def _drain_other(on: Environment, system: System, rows: str, jobs: int) -> Figures:
    """A worker that writes its history itself."""
    count = round(jobs * system.share)
    on.send(system, system.bulk, count)
    before = on.redis_cpu(), on.postgres_cpu()
    began = time.monotonic()
    with on.running(system.worker, system) as worker:
        wait(lambda: on.counters.runs() >= count, 600)
        drained = time.monotonic() - began
        wait(lambda: _count(on, rows) >= count, 600, 0.02)
        took = time.monotonic() - began
        own = tree_cpu(worker.pid)
        spent = on.redis_cpu() - before[0], on.postgres_cpu() - before[1]
    return {
        "jobs/s": count / took,
        "worker alone/s": count / drained,
        "worker ms": own / count * 1e6,
        "Redis ms": spent[0] / count * 1e6,
        "Postgres ms": spent[1] / count * 1e6,
    }


def _drain(on: Environment, system: System, jobs: int) -> Figures:
    """A worker at full speed beside the archiver."""
    with on.running(ARCHIVER, system) as archiver:
        on.send(system, "single", 10)
        with on.running(system.worker, system):
            wait(lambda: _count(on, OUR_ROWS) >= 11, 30)
        on.send(system, "bulk", jobs)
        wait(lambda: _lag(on) == 0, 120)

        def spent() -> tuple[float, float, float]:
            return tree_cpu(archiver.pid), on.redis_cpu(), on.postgres_cpu()

        before, began = spent(), time.monotonic()
        with on.running(system.worker, system) as worker:
            wait(lambda: on.counters.runs() >= jobs + 11, 600)
            drained = on.counters.read()[2] - began
            wait(lambda: _count(on, OUR_ROWS) >= jobs + 12, 600, 0.02)
            took = time.monotonic() - began
            own = tree_cpu(worker.pid)
        others = [(after - first) / jobs * 1e6 for after, first in zip(spent(), before, strict=True)]
    return {
        "jobs/s": jobs / took,
        "worker alone/s": jobs / drained,
        "worker ms": own / jobs * 1e6,
        "archiver ms": others[0],
        "Redis ms": others[1],
        "Postgres ms": others[2],
    }


def _sustain(on: Environment, system: System, rate: int) -> Figures:
    """Send at `rate`; the most events that wait for the archive meanwhile, and how long after the end."""
    lags: list[int] = []
    with on.running(ARCHIVER, system), on.running(system.worker, system):
        known, began = _count(on, OUR_ROWS), time.monotonic()
        times, load = round(LOAD_S / PAUSE_S), round(rate * PAUSE_S)
        sender = on.start_sending(system, "paced", times, PAUSE_S, load)
        while sender.poll() is None:
            lags.append(_lag(on))
            time.sleep(0.1)
        over, sent = time.monotonic(), times * (load + 1)
        wait(lambda: _count(on, OUR_ROWS) >= known + sent, 300, 0.02)
        back = time.monotonic() - over
    return {
        "sustained/s": sent / (over - began),
        "largest lag": float(max(lags)),
        "lag gone after s": back,
    }


def _count(on: Environment, query: str) -> int:
    with connect(on.postgres) as connection:
        try:
            found: Any = connection.execute(query).fetchone()
        except UndefinedTable:
            return 0
        return int(found[0])


def _lag(on: Environment) -> int:
    """Entries of the event stream that the archive has not read."""
    readers: Any = on.redis.hgetall(f"{PREFIX}readers")
    position = readers.get("archiver", "0-0")
    info: Any = on.redis.xinfo_stream(f"{PREFIX}events")
    if info["last-generated-id"] == position:
        return 0
    unread: Any = on.redis.xrange(f"{PREFIX}events", f"({position}", "+", count=200_000)
    return len(unread)
