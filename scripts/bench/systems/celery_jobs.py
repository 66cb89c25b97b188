"""Celery: the jobs and how they are sent. A Postgres, if there is one, keeps each task's last state."""

import os
import time
from typing import Any

import counters
from celery import Celery

app = Celery("celery_jobs", broker=os.environ["BENCH_REDIS"])
app.conf.task_acks_late = bool(os.environ.get("BENCH_LATE"))
app.conf.worker_prefetch_multiplier = 16
app.conf.broker_connection_retry_on_startup = True
if postgres := os.environ.get("BENCH_POSTGRES"):
    app.conf.result_backend = postgres.replace("postgresql://", "db+postgresql+psycopg://")
else:
    app.conf.task_ignore_result = True


@app.task
def noop() -> None:
    counters.count_run()


@app.task
def delay(sent: float) -> None:
    counters.record_delay(sent)


@app.task
def hold(sent: float) -> None:
    counters.record_delay(sent)
    time.sleep(1)
    counters.count_run()


def send(task: Any, **arguments: float) -> None:
    task.delay(**arguments)
