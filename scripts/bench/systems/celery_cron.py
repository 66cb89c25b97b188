"""Celery: entries of one task in the schedule of its beat."""

import os

import counters
from celery import Celery
from celery.schedules import crontab

app = Celery("celery_cron", broker=os.environ["BENCH_REDIS"])
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 16
app.conf.broker_connection_retry_on_startup = True


@app.task
def late() -> None:
    counters.record_lateness()


app.conf.beat_schedule = {
    name: {"task": "celery_cron.late", "schedule": crontab.from_string(counters.CRON)}
    for name in counters.schedules()
}
