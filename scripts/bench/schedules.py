"""Very many schedules that lie and wait: what do they cost?"""

import time

from jobs import app
from stand import P, cpu_seconds, rss_mb, stand

from infinitas import Entry


def schedules(count: int, idle_s: int) -> None:
    """Declare `count` daily schedules in bulk, then watch an idle scheduler and Redis."""
    with stand() as it:
        app.configure(redis_url=it.url)
        it.redis.hdel(f"{P}readers", "bench")  # Declarations are events too; an archiver trims them.
        empty: int = it.redis.info("memory")["used_memory"]
        began = time.monotonic()
        for start in range(0, count, 50_000):
            keys = range(start, min(start + 50_000, count))
            # Half a day away, so that none falls due while we look.
            hour = (time.gmtime().tm_hour + 12) % 24
            entries = [Entry(key=f"report-{i}", rule=f"{i % 60} {hour} * * *") for i in keys]
            app.schedules.add_many("noop", entries)
        took = time.monotonic() - began
        it.redis.xtrim(f"{P}events", maxlen=0)
        memory: int = it.redis.info("memory")["used_memory"]
        scheduler = it.start("scheduler")
        time.sleep(5)
        before = cpu_seconds(scheduler.pid), cpu_seconds(it.redis_pid)
        time.sleep(idle_s)
        used = cpu_seconds(scheduler.pid) - before[0], cpu_seconds(it.redis_pid) - before[1]
        print(f"{count:>9,} schedules declared in {took:.1f} s ({count / took:,.0f} a second)")
        each, rss = (memory - empty) / count, rss_mb(scheduler.pid)
        print(f"{'':>9} Redis memory {each:.0f} bytes each; scheduler {rss:.0f} MB")
        shares = [seconds / idle_s for seconds in used]
        print(f"{'':>9} idle for {idle_s} s: scheduler {shares[0]:.2%}, Redis {shares[1]:.2%} of a core")
        app.close()
