"""Huey: the two jobs and how they are sent."""

import os
import time

import marks
from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)


@huey.task()
def noop() -> None:
    marks.mark()


@huey.task()
def delay(sent: float) -> None:
    marks.delay(sent)


@huey.task()
def hold(sent: float) -> None:
    marks.delay(sent)
    time.sleep(1)
    marks.mark()


def prepare() -> None:
    noop()


def single(count: int) -> None:
    for _ in range(count):
        noop()


bulk = single


def send_delay(sent: float) -> None:
    delay(sent)


def send_hold(sent: float) -> None:
    hold(sent)
