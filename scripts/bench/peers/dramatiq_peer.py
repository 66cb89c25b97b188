"""Dramatiq: the two jobs and how they are sent."""

import os
import time

import dramatiq
import marks
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BENCH_REDIS"])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    marks.mark()


@dramatiq.actor
def delay(sent: float) -> None:
    marks.delay(sent)


@dramatiq.actor
def hold(sent: float) -> None:
    marks.delay(sent)
    time.sleep(1)
    marks.mark()


def prepare() -> None:
    noop.send()


def single(count: int) -> None:
    for _ in range(count):
        noop.send()


bulk = single


def send_delay(sent: float) -> None:
    delay.send(sent)


def send_hold(sent: float) -> None:
    hold.send(sent)
