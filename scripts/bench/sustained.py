"""Many slots in every second, for minutes: does the scheduler keep up?"""

import time

from jobs import app
from stand import P, cpu_seconds, spread, stand

from infinitas import Entry, every


def sustained(schedules: int, seconds: int, worker: bool) -> None:
    """`schedules` intervals of one second each, stored evenly over a second, for so many seconds."""
    with stand() as it:
        app.configure(redis_url=it.url)
        scheduler = it.start("scheduler")
        if worker:
            it.start("worker", "jobs:app", "--concurrency", "50")
        parts = 50
        for part in range(parts):
            keys = range(part, schedules, parts)
            entries = [Entry(key=f"s{i}", rule=every(seconds=1)) for i in keys]
            app.schedules.add_many("noop", entries, overlap="allow")
            time.sleep(1 / parts)
        time.sleep(2)
        began = time.time() * 1000
        before = cpu_seconds(scheduler.pid), cpu_seconds(it.redis_pid)
        time.sleep(seconds)
        used = cpu_seconds(scheduler.pid) - before[0], cpu_seconds(it.redis_pid) - before[1]
        births = [(due, at) for due, at in it.births() if began <= due < began + seconds * 1000 - 1000]
        lags = [at - due for due, at in births]
        waiting = it.redis.zcount(f"{P}due", "-inf", time.time() * 1000 - 1000)
        with_it = "with a worker" if worker else "no worker"
        print(f"{len(lags):>9,} slots in {seconds - 1} s ({schedules:,} a second), {with_it}")
        print(f"{'':>9} lag {spread(lags)}; left lying at the end: {waiting}")
        print(f"{'':>9} CPU: scheduler {used[0] / seconds:.0%}, Redis {used[1] / seconds:.0%} of a core")
        app.close()
