"""A worker that serves two queues and is declared dead in one of them."""

import asyncio

from redis import Redis

from infinitas import Infinitas, Job
from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.devservers.servers import Urls
from tests.support import aeventually, finished, running


async def test_its_jobs_in_the_other_queue_are_handed_back_at_once(
    app: Infinitas, redis: Redis, servers: Urls
) -> None:
    began: list[int] = []
    go = asyncio.Event()

    @app.task(queue="left")
    async def left() -> None: ...

    @app.task(queue="right")
    async def right(job: Job) -> None:
        began.append(job.attempt)
        await go.wait()

    connection = Connection(servers.redis, "test")
    broker = QueueBroker(connection, "left")
    async with running(app.configure(lease=600)):
        handle = await right.asend()

        async def runs() -> bool:
            return began == [1]

        await aeventually(runs)
        worker, count = next(iter((await broker.workers.beats()).items()))
        await broker.workers.rescue_all(worker, count or 0, 60)

        async def runs_again() -> bool:
            return began == [1, 2]

        await aeventually(runs_again)
        go.set()
        job = await finished(app, handle)
    await connection.close()
    assert (job.state, job.attempt, job.crashes) == ("succeeded", 2, 0)
