"""taskiq: schedules in the label of one task, sent by its scheduler."""

import os

import counters
from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["BENCH_REDIS"], consumer_id="0", xread_count=100)
scheduler = TaskiqScheduler(broker, [LabelScheduleSource(broker)])


@broker.task(schedule=[{"cron": counters.CRON, "schedule_id": name} for name in counters.schedules()])
async def late() -> None:
    counters.record_lateness()
