"""What a client stands on: one connection to Redis, a checked broker per queue, the archive if configured."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from infinitas.broker.answers import UNKNOWN_TASK
from infinitas.broker.connection import Connection
from infinitas.broker.enqueue_batches import batches, check_accepted
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.inspect.tasks import find_task
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import UnknownTask
from infinitas.core.names import check_name
from infinitas.core.records import TaskInfo
from infinitas.core.task_definition import TaskDefinition

if TYPE_CHECKING:
    from infinitas.archive.reader import Reader


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
        broker = await self.broker(task.queue)
        for batch in batches(jobs):
            answers = await broker.jobs.enqueue(batch)
            if UNKNOWN_TASK in answers:
                # A task of our own code on a Redis that is new or was flushed.
                await broker.declarations.declare([task], [])
                answers = await broker.jobs.enqueue(batch)
            check_accepted(batch, answers)

    async def queues(self) -> list[str]:
        """Names of all queues."""
        return await list_queues(self.connection)

    async def live_task(self, name: str) -> TaskInfo:
        """A task as Redis alone has it. Raises UnknownTask."""
        info = await find_task(self.connection, check_name(name, "task"))
        if info is None:
            raise UnknownTask(f"There is no task {name!r}. `infinitas task ls` lists those there are.")
        return info

    async def close(self) -> None:
        """Close all connections."""
        await self.connection.close()
        if self.archive is not None:
            await self.archive.close()


def _open_archive(url: str) -> "Reader":
    # Imported here: without the `postgres` extra everything but the archive works.
    from infinitas.archive.reader import Reader

    return Reader(url, "client")
