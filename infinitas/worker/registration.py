"""Declares a worker's tasks, and keeps its identity and facts."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import orjson

from infinitas.broker.answers import Rival, name_taken
from infinitas.broker.messages import Declarer, Home, homes_of
from infinitas.core.codec import to_ms
from infinitas.core.errors import InfinitasError, NameTaken
from infinitas.runtime.logging import get_logger
from infinitas.runtime.version import VERSION
from infinitas.tasks.task import AnyTask
from infinitas.worker.capacity import Capacity
from infinitas.worker.transport.interface import QueueTransport, WorkersTransport

_log = get_logger("worker")
LOOKS_PER_LEASE = 50
"""How often the heartbeats of a worker are compared that seems to serve the same task with other code."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker's code runs."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    version: str = VERSION
    owner: str = ""
    """Id of a remote worker's access token."""

    def fresh_name(self) -> str:
        """A new worker id: host, pid and a random part."""
        host = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.host) or "remote"
        return f"{host}-{self.pid}-{secrets.token_hex(5)}"


class Registration:
    """One worker id in Redis, from `join` or `resume` to `leave`.

    Args:
        id: the worker's id.
        tasks: the tasks that the worker serves.
        edges: the worker's queues.
        declares: names of the tasks to declare; None: all.
    """

    def __init__(
        self,
        id: str,
        place: Place,
        tasks: Mapping[str, AnyTask],
        edges: Mapping[str, QueueTransport],
        declares: Container[str] | None = None,
    ) -> None:
        self.id = id
        self.queues = sorted(edges)
        self._place = place
        self._tasks = tasks
        self._declared = [task for task in tasks.values() if declares is None or task.name in declares]
        self._edges = edges
        self._born: datetime

    async def refuse_rivals(self, lease_s: float) -> None:
        """Raises NameTaken: a live worker serves one of the tasks with other code. ServerUnreachable."""
        workers = next(iter(self._edges.values())).workers
        await self._unless_taken(lambda dead: workers.rivals(self._homes(), dead), lease_s)

    async def join(self, lease_s: float) -> None:
        """Declare the tasks and add the worker to each queue. Raises NameTaken, ServerUnreachable."""
        await self.resume()
        try:
            for queue, edges in self._edges.items():
                join = partial(self._join, queue, edges.workers, lease_s)
                await self._unless_taken(join, lease_s)
        except NameTaken:
            # Another worker has joined since the check; the queues before this one have us as a member.
            await self.leave(0)
            raise

    async def _join(
        self, queue: str, workers: WorkersTransport, lease_s: float, dead: Collection[str]
    ) -> Rival | None:
        names = [task.name for task in self._tasks.values() if task.definition.queue == queue]
        homes = {name: home for name, home in self._homes().items() if name in names}
        return await workers.join(self.id, names, lease_s, homes, dead)

    def _homes(self) -> dict[str, Home]:
        """Where the code of the declared tasks is, as far as it is known."""
        return homes_of(task.definition for task in self._declared)

    async def _unless_taken(
        self, find: Callable[[Collection[str]], Awaitable[Rival | None]], lease_s: float
    ) -> None:
        """Raise NameTaken for a worker that is found and proves to be alive: its counter moves."""
        dead: set[str] = set()
        seen: Rival | None = None
        silent_since = 0.0
        while (rival := await find(dead)) is not None:
            if seen is None or rival.worker != seen.worker:
                seen, silent_since = rival, time.monotonic()
            elif rival.beats != seen.beats:
                raise self._taken(rival)
            elif time.monotonic() - silent_since > lease_s:
                dead.add(rival.worker)
            await asyncio.sleep(lease_s / LOOKS_PER_LEASE)

    def _taken(self, rival: Rival) -> NameTaken:
        return name_taken(rival, self._homes()[rival.task].place)

    async def resume(self) -> None:
        """Declare the tasks of a worker that has joined already. Raises ServerUnreachable."""
        self._born = await next(iter(self._edges.values())).now()
        await self.declare()

    async def declare(self) -> None:
        """Declare the tasks. Declarations of newer code stay while a worker of that code lives."""
        declarer = Declarer(born=self._born, worker=self.id)
        for queue, edges in self._edges.items():
            tasks = [task for task in self._declared if task.definition.queue == queue]
            schedules = [task.schedule for task in tasks if task.schedule]
            await edges.declarations.declare([task.declared for task in tasks], schedules, declarer)

    async def announce_stop(self) -> None:
        """Notify Redis that this worker takes no more jobs; a failure is only logged."""
        for edges in self._edges.values():
            try:
                await edges.workers.rest(self.id)
            except InfinitasError as error:
                _log.warning("Redis does not know that this worker stops: %s", error)

    async def leave(self, job_ttl_s: int) -> None:
        """Remove the worker from each queue; a failure is only logged."""
        for edges in self._edges.values():
            try:
                await edges.workers.leave(self.id, job_ttl_s)
            except InfinitasError as error:
                _log.warning("Could not sign off: %s", error)

    def groups(self, queue: str) -> list[list[str]]:
        """Names of the queue's tasks by priority, the highest first."""
        groups: dict[int, list[str]] = {}
        for name, task in sorted(self._tasks.items()):
            if task.definition.queue == queue:
                groups.setdefault(-task.definition.priority, []).append(name)
        return [groups[priority] for priority in sorted(groups)]

    def facts(self, capacity: Capacity) -> dict[str, str | int]:
        """What Redis stores of a worker for people to read."""
        return {
            "host": self._place.host,
            "pid": self._place.pid,
            "version": self._place.version,
            "owner": self._place.owner,
            "started": to_ms(self._born),
            "capacity": capacity.total,
            "busy": capacity.busy,
            "queues": orjson.dumps(self.queues).decode(),
            "tasks": orjson.dumps(sorted(self._tasks)).decode(),
        }
