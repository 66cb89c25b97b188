"""The app that the end-to-end tests launch with real `infinitas` processes."""

import asyncio
import os
import time
from pathlib import Path

from infinitas import Infinitas, Job, every

app = Infinitas()


@app.task
async def noop() -> None: ...


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
async def block_later(file: str, seconds: float) -> None:
    await asyncio.sleep(0.3)
    Path(file).write_text("blocked")  # noqa: ASYNC240 - one short line
    time.sleep(seconds)  # noqa: ASYNC251 - blocking the loop is the point


@app.task
def explode() -> None:
    raise SystemExit("not the worker, please")


@app.task
async def dream() -> None:
    await asyncio.sleep(600)


@app.task(no_processor="wait")
async def wait_for_word(job: Job, file: str) -> None:
    """Leaves a trace of each run, and ends once there is such a file."""
    with open(os.environ["INFINITAS_TEST_RUNS"], "a") as runs:  # noqa: ASYNC230 - one short line
        runs.write(f"{job.id}\n")
    while not os.path.exists(file):  # noqa: ASYNC110, ASYNC240 - the test is another process
        await asyncio.sleep(0.25)
