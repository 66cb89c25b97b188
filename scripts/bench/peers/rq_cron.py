"""RQ: jobs of its cron scheduler."""

import marks
from rq import cron


def late() -> None:
    marks.late()


for name in marks.schedules():
    cron.register(late, queue_name="default", cron=marks.CRON, result_ttl=0, name=name)
