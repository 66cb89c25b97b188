"""The app that the end-to-end tests launch with real `infinitas` processes."""

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from infinitas import Infinitas, Job, every

app = Infinitas()


@app.task
async def noop() -> None: ...


@dataclass
class Parcel:
    day: date
    raw: bytes
    tags: set[str]


@app.task
async def pack(day: date, raw: bytes, tags: set[str]) -> Parcel:
    return Parcel(day, raw, tags)


@app.task(no_processor="wait")
async def patient() -> None: ...


@app.task(schedule=every(seconds=1))
async def tick(job: Job) -> None:
    job.log("tick")


@app.task
def slow(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


@app.task
def slow_until(gate: str) -> str:
    """Ends once the test has made a file."""
    while not os.path.exists(gate):
        time.sleep(0.02)
    return "slept"


@app.task
async def block_until(file: str, gate: str) -> None:
    """Blocks the event loop until the test has made the second file."""
    await asyncio.sleep(0.3)
    Path(file).write_text("blocked")  # noqa: ASYNC240 - one short line
    while not os.path.exists(gate):  # noqa: ASYNC240 - blocking the loop is the point
        time.sleep(0.02)  # noqa: ASYNC251


@app.task
def explode() -> None:
    raise SystemExit("not the worker, please")


@app.task
async def dream() -> None:
    await asyncio.sleep(600)


@app.task(no_processor="wait")
async def wait_for_gate(job: Job) -> None:
    """Leaves a trace, and ends once the test has made a file."""
    with open(os.environ["INFINITAS_TEST_RUNS"], "a") as runs:  # noqa: ASYNC230 - one short line
        runs.write(f"{job.id}\n")
    while not os.path.exists(os.environ["INFINITAS_TEST_GATE"]):  # noqa: ASYNC110, ASYNC240 - a file, not an event
        await asyncio.sleep(0.5)


@app.task(no_processor="wait")
async def nap(job: Job, seconds: float) -> None:
    """Leaves a trace of each run."""
    with open(os.environ["INFINITAS_TEST_RUNS"], "a") as runs:  # noqa: ASYNC230 - one short line
        runs.write(f"{job.id}\n")
    await asyncio.sleep(seconds)
