"""RQ: the jobs and how they are sent."""

import os
import time
from typing import Any

import counters
from redis import Redis
from rq import Queue

queue = Queue(connection=Redis.from_url(os.environ["BENCH_REDIS"]))


def noop() -> None:
    counters.count_run()


def delay(sent: float) -> None:
    counters.record_delay(sent)


def hold(sent: float) -> None:
    counters.record_delay(sent)
    time.sleep(1)
    counters.count_run()


def send(task: Any, **arguments: float) -> None:
    queue.enqueue(f"rq_jobs.{task.__name__}", result_ttl=0, **arguments)


def bulk(count: int) -> None:
    queue.enqueue_many([Queue.prepare_data("rq_jobs.noop", result_ttl=0) for _ in range(count)])
