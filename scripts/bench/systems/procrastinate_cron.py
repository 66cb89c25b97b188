"""Procrastinate: periodic ids of one task, deferred by its worker."""

import os

import counters
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))


@app.task
async def late(timestamp: int) -> None:
    counters.record_lateness()


for name in counters.schedules():
    app.periodic(cron=counters.CRON, periodic_id=name)(late)
