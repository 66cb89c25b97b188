"""taskiq: schedules in the label of one task, sent by its scheduler."""

import os

import marks
from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["BENCH_REDIS"], consumer_id="0", xread_count=100)
scheduler = TaskiqScheduler(broker, [LabelScheduleSource(broker)])


@broker.task(schedule=[{"cron": marks.CRON, "schedule_id": name} for name in marks.schedules()])
async def late() -> None:
    marks.late()
