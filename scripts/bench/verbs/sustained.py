"""Many slots in every second, for minutes: how late they are fired."""

import time

import slots
from environment import PREFIX, environment
from options import Arguments, Parser, whole
from processes import cpu_seconds
from systems.infinitas_waiting import app
from systems.tables import INFINITAS

from infinitas import Entry, every

PARTS = 50
"""The schedules are stored in so many calls, evenly over a second."""


def add_options(parser: Parser) -> None:
    parser.add_argument("--rate", type=whole, default=1000, help="Slots a second.")
    parser.add_argument("--seconds", type=whole, default=120)
    parser.add_argument("--worker", action="store_true", help="Run the jobs as well.")


def run(args: Arguments) -> None:
    """`rate` intervals of one second each, for so many seconds."""
    rate, seconds = args.rate, args.seconds
    with environment(dev=True) as on:
        slots.keep_events(on)
        app.configure(redis_url=on.url)
        scheduler = on.start(f"{INFINITAS} scheduler")
        if args.worker:
            on.start(f"{INFINITAS} worker infinitas_waiting:app --concurrency 50")
        for part in range(PARTS):
            entries = [Entry(key=f"s{i}", rule=every(seconds=1)) for i in range(part, rate, PARTS)]
            app.schedules.add_many("noop", entries, overlap="allow")
            time.sleep(1 / PARTS)
        time.sleep(2)
        began = time.time() * 1000
        before = cpu_seconds(scheduler.pid), on.redis_cpu()
        time.sleep(seconds)
        used = cpu_seconds(scheduler.pid) - before[0], on.redis_cpu() - before[1]
        lags = [at - due for due, at in slots.fired(on) if began <= due < began + seconds * 1000 - 1000]
        waiting = on.redis.zcount(f"{PREFIX}due", "-inf", time.time() * 1000 - 1000)
        with_it = "with a worker" if args.worker else "no worker"
        print(f"{len(lags):>9,} slots in {seconds - 1} s ({rate:,} a second), {with_it}")
        print(f"{'':>9} lag {slots.spread(lags)}; left lying at the end: {waiting}")
        print(f"{'':>9} CPU: scheduler {used[0] / seconds:.0%}, Redis {used[1] / seconds:.0%} of a core")
        app.close()
