"""Infinitas, under the same conditions as its peers."""

import asyncio
import os

import marks

from infinitas import Infinitas, Job

app = Infinitas()


@app.task
async def noop() -> None:
    marks.mark()


@app.task
def noop_in_a_thread() -> None:
    marks.mark()


@app.task
async def delay(sent: float) -> None:
    marks.delay(sent)


@app.task
async def hold(sent: float) -> None:
    marks.delay(sent)
    await asyncio.sleep(1)
    marks.mark()


def prepare() -> None:
    noop.send()


def single(count: int) -> None:
    for _ in range(count):
        noop.send()


def bulk(count: int) -> None:
    noop.send_many([()] * count)


def threads(count: int) -> None:
    noop_in_a_thread.send_many([()] * count)


def send_delay(sent: float) -> None:
    delay.send(sent)


def send_hold(sent: float) -> None:
    hold.send(sent)


# For the curves: jobs over many tasks, and jobs with many log lines.

many = [app.task(name=f"noop{n}")(noop.function) for n in range(int(os.environ.get("BENCH_TASKS", "0")))]


@app.task
async def chatty(job: Job) -> None:
    for n in range(int(os.environ.get("BENCH_LINES", "0"))):
        job.log(f"line {n} of a job that says much")
    marks.mark()


def spread(count: int) -> None:
    for task in many:
        task.send_many([()] * (count // len(many)))


def lines(count: int) -> None:
    chatty.send_many([()] * count)
