"""kill -9 of one of two schedulers, again and again: how late slots are fired after it."""

import random
import time

import slots
from environment import environment
from options import Arguments, Parser, whole
from systems.infinitas_waiting import app
from systems.tables import INFINITAS

from infinitas import Entry, every

PERIOD_S, SCHEDULES = 0.2, 10
SCHEDULER = f"{INFINITAS} scheduler"


def add_options(parser: Parser) -> None:
    parser.add_argument("--kills", type=whole, default=50)


def run(args: Arguments) -> None:
    """A slot every 20 ms; every two to three seconds one of the two is killed and started again."""
    with environment(dev=True) as on:
        slots.keep_events(on)
        app.configure(redis_url=on.url)
        schedulers = [on.start(SCHEDULER), on.start(SCHEDULER)]
        for i in range(SCHEDULES):
            entries = [Entry(key=f"s{i}", rule=every(seconds=PERIOD_S))]
            app.schedules.add_many("noop", entries, overlap="allow")
            time.sleep(PERIOD_S / SCHEDULES)
        time.sleep(3)
        killed: list[float] = []
        for _ in range(args.kills):
            victim = random.randrange(2)
            on.kill(schedulers[victim])
            killed.append(time.time() * 1000)
            schedulers[victim] = on.start(SCHEDULER)
            time.sleep(2 + random.random())
        fired = list(slots.fired(on))
        quiet = [at - due for due, at in fired if due < killed[0] - 500]
        near = [[at - due for due, at in fired if -200 <= due - moment < 1000] for moment in killed]
        worst = [max(lags) for lags in near]
        print(f"{len(fired):,} slots, {args.kills} kills; without kills: lag {slots.spread(quiet)}")
        print(f"latest slot around each kill: {slots.spread(worst)}")
        app.close()
