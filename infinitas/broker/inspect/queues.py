"""Queues: their names, and how much waits and runs in each."""

from collections.abc import Sequence
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.reading import Stored
from infinitas.core.codec import from_ms
from infinitas.core.records import QueueInfo


async def list_queues(connection: Connection) -> list[str]:
    """Names of all queues, sorted."""
    return sorted(await connection.command("smembers", QUEUES))


async def all_queues(connection: Connection) -> list[QueueInfo]:
    """All queues, by name."""
    found = []
    for queue in await list_queues(connection):
        keys = QueueKeys(queue)
        tasks = sorted(await connection.command("hkeys", keys["tasks"]))
        pipe = connection.pipeline()
        pipe.zcard(keys["later"])
        pipe.xlen(keys["events"])
        for task in tasks:
            stream = keys.of("stream", task)
            pipe.xlen(stream)
            pipe.xpending(stream, "workers")
            pipe.xrange(stream, count=1)
        found.append(_queue_info(queue, tasks, await connection.execute_each(pipe)))
    return found


def _queue_info(queue: str, tasks: Sequence[str], replies: list[Any]) -> QueueInfo:
    waiting, events, *rest = replies
    streams = dict(zip(tasks, zip(rest[0::3], rest[1::3], rest[2::3], strict=True), strict=True))
    whole = {task: parts for task, parts in streams.items() if not isinstance(parts[0], Exception)}
    # A task that never had a worker has a stream without a group: then nothing is pending.
    pending = [parts[1] for parts in whole.values() if not isinstance(parts[1], Exception)]
    running = sum(int(each["pending"]) for each in pending)
    ages = [int(firsts[0][0].split("-")[0]) for _, _, firsts in whole.values() if firsts]
    stored = Stored({})
    return QueueInfo(
        name=queue,
        tasks=len(tasks),
        queued=sum(parts[0] for parts in whole.values()) - running,
        running=running,
        waiting=stored.attempt("later", lambda: int(waiting), 0),
        oldest=stored.attempt("oldest", lambda: from_ms(min(ages)), None) if ages else None,
        events=stored.attempt("events", lambda: int(events), 0),
        unreadable="; ".join(
            [f"stream of {task}: its key holds something else" for task in streams if task not in whole]
            + [text for text in [stored.unreadable] if text]
        )
        or None,
    )
