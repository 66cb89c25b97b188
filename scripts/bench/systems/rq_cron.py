"""RQ: jobs of its cron scheduler."""

import counters
from rq import cron


def late() -> None:
    counters.record_lateness()


for name in counters.schedules():
    cron.register(late, queue_name="default", cron=counters.CRON, result_ttl=0, name=name)
