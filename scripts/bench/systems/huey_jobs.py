"""Huey: the jobs and how they are sent."""

import os
import time
from typing import Any

import counters
from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)


@huey.task()
def noop() -> None:
    counters.count_run()


@huey.task()
def delay(sent: float) -> None:
    counters.record_delay(sent)


@huey.task()
def hold(sent: float) -> None:
    counters.record_delay(sent)
    time.sleep(1)
    counters.count_run()


def send(task: Any, **arguments: float) -> None:
    task(**arguments)
