"""Many schedules that are due in the same second: how late each is fired; beside other systems."""

import time
from datetime import UTC, datetime, timedelta

import cron
import slots
from environment import environment
from options import Arguments, Parser, refuse, whole
from processes import cpu_seconds, tree_cpu, wait
from rounds import Figures, percentiles
from systems.infinitas_waiting import app
from systems.tables import INFINITAS, System

from infinitas import Entry

PATIENCE_S = 55


def add_options(parser: Parser) -> None:
    cron.add_options(parser, [10_000, 100_000])
    parser.add_argument("--schedulers", type=whole, default=1)


def run(args: Arguments) -> None:
    if args.system and args.schedulers > 1:
        refuse("--schedulers does not go with --system: each has one")
    cron.run_each(
        args,
        lambda count: _alone(count, args.schedulers),
        "due at once",
        lambda count, _, system: _beside(system, count, args.aof),
        {"begun": "begun {:,.2f}", "p50 s": "p50 s {:,.2f}", "p99 s": "p99 s {:,.2f}"},
    )


def _alone(count: int, schedulers: int) -> None:
    """Declare `count` cron schedules with one common slot, and wait until all have fired."""
    with environment(dev=True) as on:
        slots.keep_events(on)
        app.configure(redis_url=on.url)
        # Far enough away to be declared in time, at some 10,000 a second.
        slot = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8 + count // 4000)
        rule = f"{slot.second} {slot.minute} {slot.hour} * * *"
        app.schedules.add_many("noop", [Entry(key=f"s{i}", rule=rule) for i in range(count)])
        if datetime.now(UTC) > slot - timedelta(seconds=4):
            raise SystemExit("Declaring took longer than planned; the slot is too near.")
        first, *_ = [on.start(f"{INFINITAS} scheduler") for _ in range(schedulers)]
        time.sleep(max(0.0, (slot - datetime.now(UTC)).total_seconds() - 0.5))
        before = cpu_seconds(first.pid), on.redis_cpu()
        slots.wait_for_jobs(on, count, 60 + count / 1000)
        used = cpu_seconds(first.pid) - before[0], on.redis_cpu() - before[1]
        lags = [at - due for due, at in slots.fired(on)]
        assert len(lags) == count
        print(f"{count:>9,} slots in one second, {schedulers} scheduler(s): lag {slots.spread(lags)}")
        ms = [seconds / count * 1e6 for seconds in used]
        print(f"{'':>9} CPU per 1,000 slots: scheduler {ms[0]:.0f} ms, Redis {ms[1]:.0f} ms")
        app.close()


def _beside(system: System, count: int, aof: bool) -> Figures:
    """`count` cron jobs each minute: how late each job begins."""
    with cron.running(system, count, cron.EACH_MINUTE, aof) as (on, pids):
        time.sleep(59.5 - time.time() % 60)
        known = len(on.counters.delays())
        before = sum(map(tree_cpu, pids)), on.server_cpu()
        over = time.monotonic() + PATIENCE_S
        wait(lambda: len(on.counters.delays()) >= known + count or time.monotonic() > over, 60, 0.02)
        own, server = sum(map(tree_cpu, pids)) - before[0], on.server_cpu() - before[1]
        lags = on.counters.delays()[known : known + count]
    if len(lags) < 2:
        return {"begun": len(lags), "p50 s": 60, "p99 s": 60, "max s": 60, "own ms": 0, "server ms": 0}
    p50, p99, largest = percentiles(lags)
    return {
        "begun": len(lags),
        "p50 s": p50,
        "p99 s": p99,
        "max s": largest,
        "own ms": own / len(lags) * 1e6,
        "server ms": server / len(lags) * 1e6,
    }
