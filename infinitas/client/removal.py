"""Removes a task that no code serves any more: its schedules, what waits, then the task."""

import asyncio
from collections.abc import AsyncIterator

from infinitas.broker.answers import CancelAnswer
from infinitas.broker.inspect.jobs import waiting_jobs
from infinitas.broker.inspect.schedules import keys_of_task
from infinitas.broker.keys import QueueKeys
from infinitas.client.backend import Backend
from infinitas.core.errors import StillServed
from infinitas.core.records import TaskInfo, TaskRemoval

BATCH = 200
TRIES = 20
PAUSE_S = 0.1
REASON = "its task was removed"


async def plan_removal(backend: Backend, task: TaskInfo) -> TaskRemoval:
    """What a removal ends."""
    jobs = [id async for ids in _waiting(backend, task) for id in ids]
    return TaskRemoval(
        task=task.name,
        queue=task.queue,
        schedules=tuple(await keys_of_task(backend.connection, task.queue, task.name)),
        waiting=len(jobs),
        running=task.running,
        has_worker=task.has_worker,
    )


async def remove_task(backend: Backend, task: TaskInfo, job_ttl_s: int) -> TaskRemoval:
    """Remove it. A removal that was cut off is completed by the next call.

    Raises:
        StillServed: a live worker serves it, or jobs of a worker that has died are not rescued yet.
    """
    plan = await plan_removal(backend, task)
    if task.has_worker:
        raise StillServed(
            f"A live worker serves the task {task.name!r}: it would declare it again. Take the task from the "
            "code, and deploy that, before you remove it."
        )
    broker = await backend.broker(task.queue)
    for key in plan.schedules:
        await broker.schedules.unschedule(key)
    for _ in range(TRIES):
        async for ids in _waiting(backend, task):
            await broker.jobs.cancel(ids, REASON, job_ttl_s)
        if await broker.declarations.remove_task(task.name):
            return plan
        await asyncio.sleep(PAUSE_S)
    raise StillServed(f"Jobs of the task {task.name!r} still run, or wait for a scheduler to rescue them.")


async def purge_queue(
    backend: Backend, queue: str, task: str | None, reason: str, job_ttl_s: int | None
) -> int:
    """Cancel what waits in a queue, of one task or all; with `job_ttl_s` None only count it."""
    broker, count = await backend.broker(queue), 0
    names = await backend.connection.command("hkeys", QueueKeys(queue)["tasks"])
    for name in names if task is None else [task]:
        found = await waiting_jobs(backend.connection, queue, name)
        for i in range(0, len(found) if job_ttl_s is not None else 0, BATCH):
            assert job_ttl_s is not None
            answers = await broker.jobs.cancel(found[i : i + BATCH], reason, job_ttl_s)
            count += answers.count(CancelAnswer.CANCELLED)
        count += len(found) if job_ttl_s is None else 0
    return count


async def _waiting(backend: Backend, task: TaskInfo) -> AsyncIterator[list[str]]:
    """Ids of its jobs that wait, in batches."""
    found = await waiting_jobs(backend.connection, task.queue, task.name)
    for i in range(0, len(found), BATCH):
        yield found[i : i + BATCH]
