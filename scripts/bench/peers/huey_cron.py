"""Huey: periodic tasks, which its consumer looks through once a minute."""

import os

import marks
from huey import RedisHuey, crontab

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)
_minute, _hour = marks.CRON.split()[:2]


def late() -> None:
    marks.late()


for name in marks.schedules():
    huey.periodic_task(crontab(minute=_minute, hour=_hour), name=name)(late)
