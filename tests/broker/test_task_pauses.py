"""A task, or a whole queue, that is paused: its jobs wait, and go on afterwards."""

import asyncio

from infinitas import Infinitas
from infinitas.broker.queue import QueueBroker
from infinitas.client.redis_client import RedisClient
from infinitas.core.waiting import Cause
from infinitas.devservers.servers import Urls
from tests.broker.test_jobs import SLOT, claimed, new
from tests.support import PATIENCE_S, running


async def test_jobs_of_a_task_that_is_paused_are_not_claimed(broker: QueueBroker) -> None:
    await broker.jobs.enqueue([new("a"), new("b")])
    assert await broker.task_pauses.pause_task("t", "why", SLOT)
    assert await claimed(broker) == []
    assert await broker.task_pauses.resume_task("t")
    assert not await broker.task_pauses.resume_task("t")
    assert len(await claimed(broker)) == 1
    assert not await broker.task_pauses.pause_task("nothing", "why", SLOT)


async def test_a_queue_and_a_task_are_paused_apart(broker: QueueBroker) -> None:
    await broker.jobs.enqueue([new("a")])
    await broker.task_pauses.pause_task("", "the queue", SLOT)
    await broker.task_pauses.pause_task("t", "the task", SLOT)
    await broker.task_pauses.resume_task("")
    assert await claimed(broker) == []
    await broker.task_pauses.resume_task("t")
    assert len(await claimed(broker)) == 1


async def test_an_idle_worker_goes_on_when_the_pause_ends(app: Infinitas, servers: Urls) -> None:
    @app.task
    async def work() -> str:
        return "done"

    client = RedisClient(servers.redis, None, 60)
    async with running(app):
        assert await (await work.asend()).result(PATIENCE_S) == "done"
        paused = await client.pause_task("work", "the bank is closed")
        assert paused.paused is not None
        assert paused.paused.reason == "the bank is closed"
        handle = await work.asend()
        waiting = await client.waiting(handle.id)
        assert waiting is not None
        assert (waiting.code, waiting.ahead) == (Cause.PAUSED, 0)
        assert (await client.tasks())[0].paused == paused.paused
        await client.pause_queue("default", "so is the shop")
        assert (await client.resume_task("work")).paused is not None, "its queue is"
        assert not await handle.adone()
        await client.resume_queue("default")
        assert await asyncio.wait_for(handle.result(), PATIENCE_S) == "done"
    await client.close()
