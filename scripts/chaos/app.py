"""The app whose jobs run under faults. Each attempt writes its begin and its end into a file of its process.

These files are the oracle: they have what the code really did, whatever Infinitas records. A line is
JSON: what, job, task, attempt, pid, at (ms).
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from infinitas import Infinitas, Job

app = Infinitas()
FOLDER = "CHAOS_ORACLE"
RETRIES = 3


@contextmanager
def noted(job: Job) -> Iterator[dict[str, int]]:
    """Note that an attempt begins, and that its code has come to its end."""
    _note("begin", job)
    yield {"attempt": job.attempt, "pid": os.getpid()}
    _note("end", job)


def _note(what: str, job: Job) -> None:
    pid = os.getpid()
    fact = {"what": what, "job": job.id, "task": job.task, "attempt": job.attempt, "pid": pid}
    # One clock for all processes of this machine, which no fault changes.
    at = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000
    line = json.dumps({**fact, "at": at}) + "\n"
    file = os.open(f"{os.environ[FOLDER]}/{pid}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # What is written survives a kill -9 of this process.
        os.write(file, line.encode())
    finally:
        os.close(file)


@app.task
async def quick(job: Job, number: int) -> dict[str, int]:
    with noted(job) as result:
        job.log(f"line of {number}")
        return result


@app.task(retries=RETRIES, retry_delay=0.1)
async def flaky(job: Job, number: int) -> dict[str, int]:
    with noted(job) as result:
        await job.progress(0.5)
        if job.attempt == 1 and number % 2:
            raise ValueError("the first attempt fails")
        return result


@app.task
async def slow(job: Job, ms: int) -> dict[str, int]:
    with noted(job) as result:
        await asyncio.sleep(ms / 1000)
        return result


@app.task
def in_a_thread(job: Job, ms: int) -> dict[str, int]:
    with noted(job) as result:
        time.sleep(ms / 1000)
        return result


@app.task(on_lost="fail")
async def at_most_once(job: Job, ms: int) -> dict[str, int]:
    with noted(job) as result:
        await asyncio.sleep(ms / 1000)
        return result


@app.task
async def poison(job: Job) -> None:
    """Kills its worker, each time."""
    with noted(job):
        os.kill(os.getpid(), signal.SIGKILL)


@app.task
async def tick(job: Job) -> dict[str, int]:
    with noted(job) as result:
        return result


@app.task
async def alone(job: Job, ms: int) -> dict[str, int]:
    """Of schedules whose jobs must not overlap."""
    with noted(job) as result:
        await asyncio.sleep(ms / 1000)
        return result
