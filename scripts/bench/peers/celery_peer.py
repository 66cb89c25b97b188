"""Celery: the two jobs and how they are sent."""

import os
import time

import marks
from celery import Celery

app = Celery("celery_peer", broker=os.environ["BENCH_REDIS"])
app.conf.task_ignore_result = True
app.conf.task_acks_late = bool(os.environ.get("BENCH_LATE"))
app.conf.worker_prefetch_multiplier = 16
app.conf.broker_connection_retry_on_startup = True


@app.task
def noop() -> None:
    marks.mark()


@app.task
def delay(sent: float) -> None:
    marks.delay(sent)


@app.task
def hold(sent: float) -> None:
    marks.delay(sent)
    time.sleep(1)
    marks.mark()


def prepare() -> None:
    noop.delay()


def single(count: int) -> None:
    for _ in range(count):
        noop.delay()


bulk = single


def send_delay(sent: float) -> None:
    delay.delay(sent)


def send_hold(sent: float) -> None:
    hold.delay(sent)
