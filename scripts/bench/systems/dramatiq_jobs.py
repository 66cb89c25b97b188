"""Dramatiq: the jobs and how they are sent."""

import os
import time
from typing import Any

import counters
import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BENCH_REDIS"])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    counters.count_run()


@dramatiq.actor
def delay(sent: float) -> None:
    counters.record_delay(sent)


@dramatiq.actor
def hold(sent: float) -> None:
    counters.record_delay(sent)
    time.sleep(1)
    counters.count_run()


def send(task: Any, **arguments: float) -> None:
    task.send(**arguments)
