"""Infinitas: the jobs and how they are sent, by its public API alone, so that other checkouts can run this.

The last two are for the curves: jobs of many tasks, and jobs with many log lines.
"""

import asyncio
import os
import sys
from typing import Any

import counters

from infinitas import Infinitas, Job

BATCH = sys.maxsize
app = Infinitas()


@app.task
async def noop() -> None:
    counters.count_run()


@app.task
def noop_in_a_thread() -> None:
    counters.count_run()


@app.task(runner="process")
def noop_in_a_process() -> None:
    counters.count_run()


@app.task
async def delay(sent: float) -> None:
    counters.record_delay(sent)


@app.task
async def hold(sent: float) -> None:
    counters.record_delay(sent)
    await asyncio.sleep(1)
    counters.count_run()


def send(task: Any, **arguments: float) -> None:
    task.send(**arguments)


def bulk(count: int) -> None:
    noop.send_many([()] * count)


def threads(count: int) -> None:
    noop_in_a_thread.send_many([()] * count)


def processes(count: int) -> None:
    noop_in_a_process.send_many([()] * count)


async def count_run() -> None:
    counters.count_run()


many = [app.task(name=f"noop{n}")(count_run) for n in range(int(os.environ.get("BENCH_TASKS", "0")))]


@app.task
async def chatty(job: Job) -> None:
    for n in range(int(os.environ.get("BENCH_LINES", "0"))):
        job.log(f"line {n} of a job with many lines")
    counters.count_run()


def spread(count: int) -> None:
    for task in many:
        task.send_many([()] * (count // len(many)))


def lines(count: int) -> None:
    chatty.send_many([()] * count)
