"""How late slots were fired, from the events of jobs that schedules created."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from environment import PREFIX, Environment
from rounds import percentiles

STREAM = f"{PREFIX}stream:noop"


def keep_events(on: Environment) -> None:
    """Register a reader, so that Redis keeps all events, as with an archiver that is behind."""
    on.redis.hset(f"{PREFIX}readers", "bench", "0-0")


def fired(on: Environment) -> Iterator[tuple[int, int]]:
    """(slot, time at which its job was created by Redis' clock), both in ms, in order."""
    position = "-"
    while True:
        entries: Any = on.redis.xrange(f"{PREFIX}events", position, count=5000)
        for _, fields in entries:
            if fields["type"] == "job.created":
                yield int(fields["due"]), int(fields["at"])
        if not entries:
            return
        position = f"({entries[-1][0]}"


def wait_for_jobs(on: Environment, count: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while on.redis.xlen(STREAM) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"Only {on.redis.xlen(STREAM):,} of {count:,} slots were fired.")
        time.sleep(0.05)


def spread(values: Sequence[int]) -> str:
    """p50, p99 and max of milliseconds, as text."""
    p50, p99, largest = percentiles(values)
    return f"p50 {p50:,.0f} ms   p99 {p99:,.0f} ms   max {largest:,} ms"
