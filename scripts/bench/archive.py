"""From the send to the row in Postgres: how many jobs a second, and how far the archive falls behind."""

import time
from dataclasses import replace
from typing import Any

from ground import Ground, ground, tree_cpu, wait
from passes import in_turn, print_medians
from psycopg import connect
from psycopg.errors import UndefinedTable
from rivals import RIVALS, Rival

P = "{infinitas:default}:"
LOAD_S = 20.0


ARCHIVES = {
    "procrastinate": RIVALS["procrastinate"],
    "celery": replace(
        RIVALS["celery-late"],
        module="celery_archive_peer",
        environment="celery_archive_peer",
        packages=("celery[redis]", "hiredis", "sqlalchemy", "psycopg[binary]"),
        worker=RIVALS["celery-late"].worker.replace("celery_peer", "celery_archive_peer"),
        share=0.1,
    ),
}
"""Peers that keep what has been in Postgres, and how."""
ROWS = {
    "procrastinate": "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
    "celery": "SELECT count(*) FROM celery_taskmeta",
}


def archive(names: list[str], jobs: int, rate: int, rounds: int, aof: bool, out: str | None) -> None:
    """A backlog of `jobs`, with a worker, to the last row; ours also `rate` jobs a second for a while."""
    for name in names:
        ARCHIVES[name].install()
    passes = in_turn(["infinitas", *names], rounds, lambda name: _pass(name, jobs, rate, aof), ("jobs/s",))
    print_medians("to the last row", passes, out)


def _pass(name: str, jobs: int, rate: int, aof: bool) -> dict[str, float]:
    with ground(ARCHIVES.get(name, RIVALS["infinitas"]), aof=aof, postgres=True) as on:
        if name in ARCHIVES:
            return _peer_backlog(on, ARCHIVES[name], ROWS[name], jobs)
        return {**_backlog(on, jobs), **_sustained(on, rate)}


def _peer_backlog(on: Ground, peer: Rival, rows: str, jobs: int) -> dict[str, float]:
    """A worker that writes its history itself."""
    count = round(jobs * peer.share)
    on.send(peer, peer.how, count)
    before = on.redis_cpu(), on.postgres_cpu()
    began = time.monotonic()
    with on.worker(peer) as worker:
        wait(lambda: on.marks.read()[0] >= count, 600)
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


def _backlog(on: Ground, jobs: int) -> dict[str, float]:
    """A worker at full speed beside the archiver."""
    ours = RIVALS["infinitas"]
    with on.run(ours, "infinitas archiver") as archiver:
        on.send(ours, "single", 10)
        with on.worker(ours) as worker:
            wait(lambda: _archived(on) >= 11, 30)
        on.send(ours, "bulk", jobs)
        wait(lambda: _lag(on) == 0, 120)
        before = tree_cpu(archiver.pid), on.redis_cpu(), on.postgres_cpu()
        began = time.monotonic()
        with on.worker(ours) as worker:
            wait(lambda: on.marks.read()[0] >= jobs + 11, 600)
            drained = on.marks.read()[2] - began
            wait(lambda: _archived(on) >= jobs + 12, 600, 0.02)
            took = time.monotonic() - began
            own = tree_cpu(worker.pid)
        spent = [
            (after - first) / jobs * 1e6
            for after, first in zip(
                (tree_cpu(archiver.pid), on.redis_cpu(), on.postgres_cpu()), before, strict=True
            )
        ]
    return {
        "jobs/s": jobs / took,
        "worker alone/s": jobs / drained,
        "worker ms": own / jobs * 1e6,
        "archiver ms": spent[0],
        "Redis ms": spent[1],
        "Postgres ms": spent[2],
    }


def _sustained(on: Ground, rate: int) -> dict[str, float]:
    """Jobs come at `rate`; how many entries wait for the archive meanwhile, and for how long after it."""
    ours = RIVALS["infinitas"]
    lags: list[int] = []
    with on.run(ours, "infinitas archiver"), on.worker(ours):
        sent = 0
        known = _archived(on)
        began = time.monotonic()
        sender = on.start_sending(ours, "paced", round(LOAD_S / 0.05), 0.05, round(rate * 0.05))
        while sender.poll() is None:
            lags.append(_lag(on))
            time.sleep(0.1)
        over = time.monotonic()
        sent = round(LOAD_S / 0.05) * (round(rate * 0.05) + 1)
        wait(lambda: _archived(on) >= known + sent, 300, 0.02)
        back = time.monotonic() - over
    return {
        "sustained/s": sent / (over - began),
        "largest lag": float(max(lags)),
        "lag gone after s": back,
    }


def _archived(on: Ground) -> int:
    return _count(on, "SELECT coalesce(sum(succeeded), 0) FROM infinitas_tasks")


def _count(on: Ground, query: str) -> int:
    with connect(on.postgres) as connection:
        try:
            found: Any = connection.execute(query).fetchone()
        except UndefinedTable:
            return 0
        return int(found[0])


def _lag(on: Ground) -> int:
    """Entries of the event stream that the archive has not read."""
    groups: Any = on.redis.hgetall(f"{P}readers")
    position = groups.get("archiver", "0-0")
    info: Any = on.redis.xinfo_stream(f"{P}events")
    if info["last-generated-id"] == position:
        return 0
    return len(on.redis.xrange(f"{P}events", f"({position}", "+", count=200_000))
