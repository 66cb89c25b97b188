"""Huey: periodic tasks, which its consumer checks once a minute."""

import os

import counters
from huey import RedisHuey, crontab

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)
_minute, _hour = counters.CRON.split()[:2]


def late() -> None:
    counters.record_lateness()


for name in counters.schedules():
    huey.periodic_task(crontab(minute=_minute, hour=_hour), name=name)(late)
