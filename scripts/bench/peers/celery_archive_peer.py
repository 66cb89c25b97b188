"""Celery with its results in Postgres: each task's last state, in one row."""

import os

import marks
from celery import Celery

app = Celery("celery_archive_peer", broker=os.environ["BENCH_REDIS"])
app.conf.result_backend = "db+" + os.environ["BENCH_POSTGRES"].replace(
    "postgresql://", "postgresql+psycopg://"
)
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 16
app.conf.broker_connection_retry_on_startup = True


@app.task
def noop() -> None:
    marks.mark()


def prepare() -> None:
    """It connects with the first send."""


def single(count: int) -> None:
    for _ in range(count):
        noop.delay()


bulk = single
