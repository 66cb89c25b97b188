"""From the send to the row in Postgres: how many jobs a second, and how far the archive falls behind."""

import json
import time
from statistics import median
from typing import Any

from ground import Ground, ground, tree_cpu, wait
from psycopg import connect
from rivals import RIVALS

P = "{infinitas:default}:"
LOAD_S = 20.0


def archive(jobs: int, rate: int, rounds: int, aof: bool, out: str | None) -> None:
    """A backlog of `jobs` and `rate` jobs a second for a while, with a worker, each time to the last row."""
    passes: list[dict[str, float]] = []
    for n in range(rounds):
        with ground(RIVALS["infinitas"], aof=aof, postgres=True) as on:
            passes.append({**_backlog(on, jobs), **_sustained(on, rate)})
        print(f"  round {n + 1}: {passes[-1]['jobs/s']:,.0f} jobs/s to the last row", flush=True)
    print(f"\n| {' | '.join(passes[0])} |\n{'|---' * len(passes[0])}|")
    print(f"| {' | '.join(f'{median(one[column] for one in passes):,.1f}' for column in passes[0])} |")
    if out:
        with open(out, "w") as file:
            json.dump(passes, file, indent=1)


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
    """Jobs come at `rate`; how many events wait for the archive meanwhile, and for how long after it."""
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
    with connect(on.postgres) as connection:
        try:
            found: Any = connection.execute(
                "SELECT coalesce(sum(succeeded), 0) FROM infinitas_tasks"
            ).fetchone()
        except Exception:  # noqa: BLE001 - not migrated yet
            return 0
        return int(found[0])


def _lag(on: Ground) -> int:
    """Events that the archive has not read."""
    groups: Any = on.redis.hgetall(f"{P}readers")
    position = groups.get("archiver", "0-0")
    info: Any = on.redis.xinfo_stream(f"{P}events")
    if info["last-generated-id"] == position:
        return 0
    return len(on.redis.xrange(f"{P}events", f"({position}", "+", count=200_000))
