"""Procrastinate: periodic ids of one task, deferred by its worker."""

import os

import marks
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))


@app.task
async def late(timestamp: int) -> None:
    marks.late()


for name in marks.schedules():
    app.periodic(cron=marks.CRON, periodic_id=name)(late)
