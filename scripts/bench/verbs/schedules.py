"""Many schedules that wait: memory, and the CPU of idle processes; beside other systems."""

import time

import cron
from environment import PREFIX, environment
from options import Arguments, Parser, whole
from processes import cpu_seconds, rss_mb, tree, tree_cpu
from rounds import Figures
from systems.infinitas_waiting import app
from systems.tables import INFINITAS, System

from infinitas import Entry

HOURS_OFF = 8
"""Until the next slot, so that none is due during a round."""


def add_options(parser: Parser) -> None:
    cron.add_options(parser, [10_000, 100_000, 1_000_000])
    parser.add_argument("--idle", type=whole, default=30, help="Seconds to measure.")


def run(args: Arguments) -> None:
    cron.run_each(
        args,
        lambda count: _alone(count, args.idle),
        "that wait",
        lambda count, _, system: _beside(system, count, args.idle, args.aof),
        {"own % of a core": "own % of a core {:,.2f}", "own MB": "own MB {:,.2f}"},
    )


def _alone(count: int, idle_s: int) -> None:
    """Declare `count` daily schedules in bulk, then measure an idle scheduler and Redis."""
    with environment(dev=True) as on:
        app.configure(redis_url=on.url)
        empty = on.memory()
        began = time.monotonic()
        for start in range(0, count, 50_000):
            keys = range(start, min(start + 50_000, count))
            # Half a day away, so that none is due meanwhile.
            hour = (time.gmtime().tm_hour + 12) % 24
            entries = [Entry(key=f"report-{i}", rule=f"{i % 60} {hour} * * *") for i in keys]
            app.schedules.add_many("noop", entries)
        took = time.monotonic() - began
        # Declarations are events too; an archiver trims them.
        on.redis.xtrim(f"{PREFIX}events", maxlen=0)
        memory = on.memory()
        scheduler = on.start(f"{INFINITAS} scheduler")
        time.sleep(5)
        before = cpu_seconds(scheduler.pid), on.redis_cpu()
        time.sleep(idle_s)
        used = cpu_seconds(scheduler.pid) - before[0], on.redis_cpu() - before[1]
        print(f"{count:>9,} schedules declared in {took:.1f} s ({count / took:,.0f} a second)")
        each, rss = (memory - empty) / count, rss_mb(scheduler.pid)
        print(f"{'':>9} Redis memory {each:.0f} bytes each; scheduler {rss:.0f} MB")
        shares = [seconds / idle_s for seconds in used]
        print(f"{'':>9} idle for {idle_s} s: scheduler {shares[0]:.2%}, Redis {shares[1]:.2%} of a core")
        app.close()


def _beside(system: System, count: int, idle_s: int, aof: bool) -> Figures:
    """`count` cron jobs that are not due."""
    hour = (time.gmtime().tm_hour + HOURS_OFF) % 24
    with cron.running(system, count, f"30 {hour} * * *", aof) as (on, pids):
        # Some take long to read all their jobs.
        last, now = -1.0, 0.0
        while now - last > 0.5:
            time.sleep(3)
            last, now = now, sum(map(tree_cpu, pids))
        before = sum(map(tree_cpu, pids)), on.server_cpu()
        time.sleep(idle_s)
        own, server = sum(map(tree_cpu, pids)) - before[0], on.server_cpu() - before[1]
        memory = sum(rss_mb(each) for pid in pids for each in tree(pid))
    return {
        "own % of a core": own / idle_s * 100,
        "server % of a core": server / idle_s * 100,
        "own MB": memory,
    }
