"""APScheduler: jobs in its Redis store, run by threads of its own process. There is no queue, no worker."""

import os
from urllib.parse import urlsplit

import counters
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.redis import RedisJobStore
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.cron import CronTrigger


def late() -> None:
    counters.record_lateness()


if __name__ == "__main__":
    store = RedisJobStore(host="127.0.0.1", port=urlsplit(os.environ["BENCH_REDIS"]).port)
    scheduler = BlockingScheduler(
        jobstores={"default": store},
        executors={"default": ThreadPoolExecutor(16)},
        job_defaults={"misfire_grace_time": 60},
        timezone="UTC",
    )
    for name in counters.schedules():
        scheduler.add_job(late, CronTrigger.from_crontab(counters.CRON, timezone="UTC"), id=name)
    scheduler.start()
