"""Very many schedules that fall due in the same second: how late is each?"""

import time
from datetime import UTC, datetime, timedelta

from jobs import app
from stand import cpu_seconds, spread, stand

from infinitas import Entry


def burst(count: int, schedulers: int = 1) -> None:
    """Declare `count` cron schedules with one common slot, and wait until all have fired."""
    with stand() as it:
        app.configure(redis_url=it.url)
        # Far enough away to be declared in time, at some 10,000 a second.
        slot = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8 + count // 4000)
        rule = f"{slot.second} {slot.minute} {slot.hour} * * *"
        app.schedules.add_many("noop", [Entry(key=f"s{i}", rule=rule) for i in range(count)])
        if datetime.now(UTC) > slot - timedelta(seconds=4):
            raise SystemExit("Declaring took longer than planned; the slot is too near.")
        running = [it.start("scheduler") for _ in range(schedulers)]
        time.sleep(max(0.0, (slot - datetime.now(UTC)).total_seconds() - 0.5))
        before = cpu_seconds(running[0].pid), cpu_seconds(it.redis_pid)
        it.wait_for_jobs(count, 60 + count / 1000)
        used = cpu_seconds(running[0].pid) - before[0], cpu_seconds(it.redis_pid) - before[1]
        lags = it.lags()
        assert len(lags) == count
        print(f"{count:>9,} slots in one second, {schedulers} scheduler(s): lag {spread(lags)}")
        ms = [seconds / count * 1e6 for seconds in used]
        print(f"{'':>9} CPU per 1,000 slots: scheduler {ms[0]:.0f} ms, Redis {ms[1]:.0f} ms")
        app.close()
