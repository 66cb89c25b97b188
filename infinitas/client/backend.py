"""What a client stands on: one connection to Redis, a checked broker per queue, the archive if configured."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from infinitas.broker.answers import UNKNOWN_TASK
from infinitas.broker.connection import Connection
from infinitas.broker.enqueue_batches import batches, check_accepted
from infinitas.broker.homes import find_home
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.inspect.tasks import find_task, names_like
from infinitas.broker.messages import NewJob
from infinitas.broker.moves import Moves
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import UnknownTask
from infinitas.core.names import check_name
from infinitas.core.records import TaskInfo
from infinitas.core.task_definition import TaskDefinition

if TYPE_CHECKING:
    from infinitas.archive.reader import Reader

SUGGESTED = 3


class Backend:
    """Below both halves of `RedisClient`: the verbs over jobs and those over schedules."""

    def __init__(
        self,
        redis_url: str,
        postgres_url: str | None,
        connect: Callable[[str, str], Connection] = Connection,
    ) -> None:
        self.connection = connect(redis_url, "client")
        self.archive = _open_archive(postgres_url) if postgres_url else None
        self._checked = False

    async def broker(self, queue: str) -> QueueBroker:
        """The broker of a queue. The first call checks that jobs are safe in this Redis.

        Raises:
            UnsafeBroker: they are not. ServerUnreachable: Redis gave no answer.
        """
        if not self._checked:
            await self.connection.check()
            self._checked = True
        return QueueBroker(self.connection, queue)

    async def enqueue(self, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
        """See `Client.send`. A task that Redis doesn't have is declared, then its jobs are sent again."""
        for batch in batches(jobs):
            batch = [replace(job, task=task.name) for job in batch]
            answers = await (await self.broker(task.queue)).jobs.enqueue(batch)
            if UNKNOWN_TASK in answers:
                # It has moved, or Redis is new or was flushed.
                task = await self.declare(task)
                batch = [replace(job, task=task.name) for job in batch]
                answers = await (await self.broker(task.queue)).jobs.enqueue(batch)
            check_accepted(batch, answers)

    async def declare(self, task: TaskDefinition) -> TaskDefinition:
        """Declare a task that is unknown. Returns it with the queue and the name that it has now."""
        queue, name = await find_home(self.connection, task.queue, task.name)
        if (queue, name) != (task.queue, task.name):
            task = replace(task, queue=queue, name=name, aliases=())
        await (await self.broker(queue)).declarations.declare([task], [])
        return task

    async def carry(self) -> None:
        """Take jobs and schedules that are on their way between two queues to the second one."""
        for queue in await self.queues():
            await Moves(self.connection, queue).carry()

    async def queues(self) -> list[str]:
        """Names of all queues."""
        return await list_queues(self.connection)

    async def live_task(self, name: str) -> TaskInfo:
        """A task as Redis alone has it. Raises UnknownTask."""
        info = await find_task(self.connection, check_name(name, "task"))
        if info is None:
            raise await self.unknown_task(name)
        return info

    async def unknown_task(self, name: str) -> UnknownTask:
        """The error for a name that no task has; it names those that may be meant."""
        hint = did_you_mean(await names_like(self.connection, name))
        return UnknownTask(f"There is no task {name[:200]!r}. {hint or '`infinitas task ls` lists them.'}")

    async def close(self) -> None:
        """Close all connections."""
        await self.connection.close()
        if self.archive is not None:
            await self.archive.close()


def did_you_mean(names: Sequence[str]) -> str:
    """A sentence with full names; empty without one."""
    return f"Did you mean {' or '.join(names[:SUGGESTED])}?" if names else ""


def _open_archive(url: str) -> "Reader":
    # Imported here: without the `postgres` extra everything but the archive works.
    from infinitas.archive.reader import Reader

    return Reader(url, "client")
