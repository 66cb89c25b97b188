"""An app with a queue on each shard of a Redis Cluster of three."""

import asyncio
import os
from pathlib import Path

from infinitas import Infinitas, Job, every

QUEUES = ("q0", "q1", "q3")

app = Infinitas()

for queue in QUEUES:

    @app.task(name=f"noop-{queue}", queue=queue)
    async def noop() -> None: ...

    @app.task(name=f"tick-{queue}", queue=queue, schedule=every(seconds=1))
    async def tick() -> None: ...


@app.task(queue="q0")
async def hold(job: Job) -> None:
    """Leaves a trace, and ends once the test has made a file."""
    with open(os.environ["INFINITAS_TEST_RUNS"], "a") as runs:  # noqa: ASYNC230 - one short line
        runs.write(f"{job.id}\n")
    while not Path(os.environ["INFINITAS_TEST_GATE"]).exists():  # noqa: ASYNC110, ASYNC240 - a file
        await asyncio.sleep(0.5)
