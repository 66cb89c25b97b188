"""In which queue, and under which name, a task lives. A declaration by newer code moves it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import Declarer
from infinitas.broker.moves import Moves, Target, read_target
from infinitas.broker.stored_rules import digest, read_declarer
from infinitas.core.codec import to_ms
from infinitas.core.task_definition import TaskDefinition

MOVE_WITHIN_MS = 60_000
"""A move that is not over after so long was cut short: older code may take the task back."""
MOST_HOPS = 20

Address = tuple[str, str]
"""A queue, and a task's name there."""


@dataclass(slots=True)
class Settled:
    """What a declaration must leave alone.

    Attributes:
        elsewhere: tasks that live in another queue, or under another name: newer code has moved them.
        held: tasks whose own schedule has not arrived yet.
        gone: for each task where it had moved to, as stored; '' for nowhere.
    """

    elsewhere: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    gone: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """What Redis has of some tasks, by queue and name."""

    definitions: dict[Address, str] = field(default_factory=dict)
    declarers: dict[Address, tuple[str, int]] = field(default_factory=dict)
    moved: dict[Address, str] = field(default_factory=dict)
    scheduled: set[Address] = field(default_factory=set)
    carrying: set[str] = field(default_factory=set)
    """Queues with packages that have not arrived."""


async def find_home(connection: Connection, queue: str, task: str) -> Address:
    """Where a task lives that `queue` does not have; `queue` itself if it lives nowhere."""
    here = queue, task
    for _ in range(MOST_HOPS):
        target = read_target(await connection.command("hget", QueueKeys(here[0])["moved"], here[1]))
        if target is None:
            break
        here = target.queue, target.task
    if here == (queue, task):
        for other in await list_queues(connection):
            if await connection.command("hexists", QueueKeys(other)["tasks"], task):
                return other, task
    return here


class Homes:
    """For the declarations of one queue. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._queue = queue

    async def settle(self, tasks: Sequence[TaskDefinition], declarer: Declarer | None) -> Settled:
        """Move tasks that live elsewhere here, unless newer code has declared them there.

        Without a declarer nothing is moved.
        """
        names = sorted({name for task in tasks for name in (task.name, *task.aliases)})
        known = await self._read(names)
        settled = Settled()
        for task in tasks:
            while not await self._settle(task, declarer, known, settled):
                known = await self._read(names)
            settled.gone[task.name] = known.moved.get((self._queue, task.name), "")
        return settled

    async def _settle(
        self, task: TaskDefinition, declarer: Declarer | None, known: _Known, settled: Settled
    ) -> bool:
        """False if another process has declared or moved the task since it was read."""
        here = self._queue, task.name
        former = [
            address
            for address in known.definitions
            if address != here and (address[1] == task.name or address[1] in task.aliases)
        ]
        target = read_target(known.moved.get(here))
        if target is not None and here not in known.definitions:
            there = target.queue, target.task
            if there not in former:
                former += await self._read_more(there, known)
            if not former and await self._is_moving(target, declarer):
                settled.elsewhere.add(task.name)
                return True
        if former and declarer is None:
            settled.elsewhere.add(task.name)
            return True
        for address in former:
            if await self._is_newer(address, known, declarer):
                settled.elsewhere.add(task.name)
                return True
        return await self._bring(task, declarer, former, known, settled)

    async def _bring(
        self,
        task: TaskDefinition,
        declarer: Declarer | None,
        former: Sequence[Address],
        known: _Known,
        settled: Settled,
    ) -> bool:
        here = self._queue, task.name
        if declarer is not None:
            at = to_ms(await self._connection.now()) if former else 0
            target = Target(*here, at, declarer.worker)
            for queue, name in former:
                moves = Moves(self._connection, queue)
                if not await moves.move_task(name, digest(known.definitions[queue, name]), target):
                    return False
                await moves.sweep(whole=True)
        for address, text in known.moved.items():
            pending = address in known.scheduled or address[0] in known.carrying
            if pending and address not in former and _leads_to(text, here):
                await Moves(self._connection, address[0]).sweep(whole=True)
        sources = [*former, *(p for p, t in known.moved.items() if _leads_to(t, here))]
        for address in sources:
            if await self._connection.command("hexists", QueueKeys(address[0])["schedules"], address[1]):
                settled.held.add(task.name)
        return True

    async def _is_moving(self, target: Target, declarer: Declarer | None) -> bool:
        """Whether a move may still be under way: its task is closed here, and not declared there yet."""
        if declarer is None:
            return True
        if declarer.worker == target.worker:
            return False
        return to_ms(await self._connection.now()) - target.at_ms < MOVE_WITHIN_MS

    async def _is_newer(self, address: Address, known: _Known, declarer: Declarer | None) -> bool:
        """Whether the code that declared the task there is newer, and still there."""
        other = known.declarers.get(address)
        if declarer is None or other is None:
            return declarer is None
        worker, born = other
        if (born, worker) <= (to_ms(declarer.born), declarer.worker):
            return False
        return not worker or await self._lives(address[0], worker)

    async def _lives(self, queue: str, worker: str) -> bool:
        return await self._connection.command("zscore", QueueKeys(queue)["beats"], worker) is not None

    async def _read_more(self, address: Address, known: _Known) -> list[Address]:
        more = await self._read([address[1]], [address[0]])
        known.definitions |= more.definitions
        known.declarers |= more.declarers
        return [address] if address in more.definitions else []

    async def _read(self, names: Sequence[str], queues: Sequence[str] | None = None) -> _Known:
        known = _Known()
        wanted = queues or await list_queues(self._connection)
        if not names:
            return known
        pipe = self._connection.pipeline()
        for queue in wanted:
            keys = QueueKeys(queue)
            for kind in ("tasks", "declarers", "moved", "schedules"):
                pipe.hmget(keys[kind], names)
            pipe.hlen(keys["departures"])
        replies = await self._connection.execute(pipe)
        for i, queue in enumerate(wanted):
            tasks, declarers, moved, schedules, packages = replies[5 * i : 5 * i + 5]
            if packages:
                known.carrying.add(queue)
            for name, task, declarer, target, rule in zip(
                names, tasks, declarers, moved, schedules, strict=True
            ):
                if task is not None:
                    known.definitions[queue, name] = task
                if (found := read_declarer(declarer)) is not None:
                    known.declarers[queue, name] = found
                if target is not None:
                    known.moved[queue, name] = target
                if rule is not None:
                    known.scheduled.add((queue, name))
        return known


def _leads_to(text: str, here: Address) -> bool:
    target = read_target(text)
    return target is not None and (target.queue, target.task) == here
