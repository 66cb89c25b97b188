"""How near a queue is to its limits: its backlog is measured, and the level stored for scripts."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.loads import task_names
from infinitas.broker.keys import QueueKeys
from infinitas.broker.lists import Lists
from infinitas.core.errors import ServerFull

EXPIRES_MS = 30_000
"""Without a monitor, nothing is refused."""
JOB_BYTES = 600
"""A waiting job without arguments: its hash, its key, its entry in a stream."""
SAMPLED_TASKS = 10
SAMPLED_JOBS = 5


class Level(IntEnum):
    """What is given up, in this order; `_pressure.lua` has the same numbers."""

    NONE = 0
    LOGS = 1
    """Log lines are not sent to the archive."""
    PROGRESS = 2
    """Log lines and progress are not stored at all."""
    FULL = 3
    """Senders get `backlog_full` as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Jobs that wait for a worker or for their time, and about how many bytes they take."""

    jobs: int
    bytes: int


class Pressure:
    """One queue. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)
        self.queue = queue

    async def level(self) -> Level:
        """The level that is stored."""
        text = await self._connection.command("get", self._keys["pressure"])
        return Level(int(text[0])) if text and text[0] in "0123" else Level.NONE

    async def store(self, level: Level, why: str) -> None:
        """Store the level; one above `NONE` expires."""
        if level is Level.NONE:
            await self._connection.command("delete", self._keys["pressure"])
            return
        # A Redis that is full refuses senders by itself.
        with suppress(ServerFull):
            text = f"{level.value} {why}"
            await self._connection.command("set", self._keys["pressure"], text, px=EXPIRES_MS)

    async def backlog(self, *, with_bytes: bool) -> Backlog:
        """The present backlog; its bytes are estimated by jobs of the longest streams, or 0."""
        _, ready, running, _, _, waiting, _ = await Lists(self._connection, self._keys).count_queue()
        jobs = max(int(ready) - int(running), 0) + int(waiting or 0)
        size = JOB_BYTES + await self._mean_arguments() if with_bytes and jobs else 0
        return Backlog(jobs=jobs, bytes=round(jobs * size))

    async def _mean_arguments(self) -> float:
        """Bytes of arguments and headers of a waiting job: the mean of a sample, weighted by its streams."""
        names = await task_names(self._connection, self._keys.queue)
        pipe = self._connection.pipeline()
        for name in names:
            pipe.xlen(self._keys.of("stream", name))
        pipe.zcard(self._keys["later"])
        *lengths, later = map(_whole, await self._connection.execute_each(pipe))
        longest = sorted(zip(lengths, names, strict=True), reverse=True)[:SAMPLED_TASKS]
        sizes = [(length, self._of_stream(name)) for length, name in longest if length]
        if later:
            sizes.append((later, self._of_later()))
        means = await asyncio.gather(*(size for _, size in sizes))
        total = sum(length for length, _ in sizes)
        weighted = sum(length * mean for (length, _), mean in zip(sizes, means, strict=True))
        return weighted / total if total else 0.0

    async def _of_stream(self, task: str) -> float:
        pipe = self._connection.pipeline()
        pipe.xrevrange(self._keys.of("stream", task), count=SAMPLED_JOBS)
        (entries,) = await self._connection.execute_each(pipe)
        jobs = [] if isinstance(entries, Exception) else [fields.get("job", "") for _, fields in entries]
        return await self._mean(jobs)

    async def _of_later(self) -> float:
        jobs = await self._connection.command("zrange", self._keys["later"], 0, SAMPLED_JOBS * 4 - 1)
        return await self._mean(jobs)

    async def _mean(self, jobs: list[str]) -> float:
        pipe = self._connection.pipeline()
        for job in jobs:
            pipe.hmget(self._keys.of("job", job), ["args", "headers"])
        replies = await self._connection.execute_each(pipe) if jobs else []
        found = [sum(len(text or "") for text in reply) for reply in replies if isinstance(reply, list)]
        return sum(found) / len(found) if found else 0.0


def _whole(reply: Any) -> int:
    return 0 if isinstance(reply, Exception) else int(reply)
