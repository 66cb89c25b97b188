"""The active scheduler is killed with -9 again and again: how much later do slots come?"""

import random
import time

from jobs import app
from stand import spread, stand

from infinitas import Entry, every


def takeover(kills: int) -> None:
    """Two schedulers, a slot every 20 ms; each second one of the two is killed and started again."""
    with stand() as it:
        app.configure(redis_url=it.url)
        schedulers = [it.start("scheduler"), it.start("scheduler")]
        period = 0.2
        for i in range(10):
            app.schedules.add_many("noop", [Entry(key=f"s{i}", rule=every(seconds=period))], overlap="allow")
            time.sleep(period / 10)
        time.sleep(3)
        killed: list[float] = []
        for _ in range(kills):
            victim = random.randrange(2)
            it.kill(schedulers[victim])
            killed.append(time.time() * 1000)
            schedulers[victim] = it.start("scheduler")
            time.sleep(2 + random.random())
        births = list(it.births())
        quiet = [at - due for due, at in births if due < killed[0] - 500]
        near = [[at - due for due, at in births if -200 <= due - moment < 1000] for moment in killed]
        worst = [max(lags) for lags in near]
        print(f"{len(births):,} slots, {kills} kills; without kills: lag {spread(quiet)}")
        print(f"latest slot around each kill: {spread(worst)}")
        app.close()
