"""Queues: their names, and how much waits and runs in each."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.lists import Lists
from infinitas.broker.reading import Stored, read_pause
from infinitas.broker.task_pauses import WHOLE_QUEUE
from infinitas.core.codec import from_ms
from infinitas.core.records import QueueInfo


async def list_queues(connection: Connection) -> list[str]:
    """Names of all queues, sorted."""
    return sorted(await connection.command("smembers", QUEUES))


async def all_queues(connection: Connection) -> list[QueueInfo]:
    """All queues, by name."""
    queues = await list_queues(connection)
    counted = await asyncio.gather(*(Lists(connection, QueueKeys(queue)).count_queue() for queue in queues))
    infos = [_queue_info(queue, *found) for queue, found in zip(queues, counted, strict=True)]
    pipe = connection.pipeline()
    for queue in queues:
        pipe.hget(QueueKeys(queue)["paused_tasks"], WHOLE_QUEUE)
    pauses = await connection.execute(pipe)
    return [replace(info, paused=text and read_pause(text)) for info, text in zip(infos, pauses, strict=True)]


def _queue_info(
    queue: str,
    tasks: int,
    ready: int,
    running: int,
    oldest: str,
    odd: Sequence[str],
    waiting: int | None,
    events: int | None,
) -> QueueInfo:
    stored = Stored({})
    faults = [f"stream of {task}: its key holds something else" for task in sorted(odd)]
    sizes = {"later": waiting, "events": events}
    faults += [f"{name}: its key holds something else" for name, size in sizes.items() if size is None]
    since = stored.attempt("oldest", lambda: from_ms(int(oldest)), None) if oldest else None
    return QueueInfo(
        name=queue,
        tasks=tasks,
        queued=ready - running,
        running=running,
        waiting=waiting or 0,
        oldest=since,
        events=events or 0,
        unreadable="; ".join(faults + stored.faults) or None,
    )
