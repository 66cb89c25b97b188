"""RQ: the two jobs and how they are sent."""

import os
import time

import marks
from batches import batches
from redis import Redis
from rq import Queue

queue = Queue(connection=Redis.from_url(os.environ["BENCH_REDIS"]))


def noop() -> None:
    marks.mark()


def delay(sent: float) -> None:
    marks.delay(sent)


def hold(sent: float) -> None:
    marks.delay(sent)
    time.sleep(1)
    marks.mark()


def prepare() -> None:
    queue.enqueue("rq_peer.noop", result_ttl=0)


def single(count: int) -> None:
    for _ in range(count):
        queue.enqueue("rq_peer.noop", result_ttl=0)


def bulk(count: int) -> None:
    for size in batches(count):
        queue.enqueue_many([Queue.prepare_data("rq_peer.noop", result_ttl=0) for _ in range(size)])


def send_delay(sent: float) -> None:
    queue.enqueue("rq_peer.delay", sent, result_ttl=0)


def send_hold(sent: float) -> None:
    queue.enqueue("rq_peer.hold", sent, result_ttl=0)
