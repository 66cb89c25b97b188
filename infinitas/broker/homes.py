"""In which queue, and under which name, a task lives. A declaration by newer code moves it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import Declarer
from infinitas.broker.moves import Moves, Target
from infinitas.broker.stored_rules import digest, read_declarer
from infinitas.broker.trails import Address, Lookup, T, end_of, follow, search
from infinitas.core.codec import to_ms
from infinitas.core.errors import ConfigError
from infinitas.core.task_definition import TaskDefinition

MOVE_WITHIN_MS = 60_000
"""A move that is not over after so long was cut short: older code may take the task back."""


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
    trails: dict[Address, list[Target]] = field(default_factory=dict)
    """For each of `moved` all moves from there on."""
    ways: dict[Address, list[list[Address]]] = field(default_factory=dict)
    """The same by their ends: all addresses of each."""
    scheduled: set[Address] = field(default_factory=set)
    carrying: set[str] = field(default_factory=set)
    """Queues with packages that have not arrived."""


async def find_home(connection: Connection, queue: str, task: str) -> Address:
    """Where a task lives that `queue` does not have; the last place that is known if it lives nowhere."""
    return await _look_up(connection, search(queue, task))


async def _look_up(connection: Connection, lookup: Lookup[T]) -> T:
    answer = None
    while True:
        try:
            command = lookup.send(answer)
        except StopIteration as end:
            found: T = end.value
            return found
        answer = await connection.command(*command)


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
        own = {(self._queue, task.name) for task in tasks}
        known = await self._read_with_trails(names)
        settled = Settled()
        for task in tasks:
            while not await self._settle(task, declarer, known, own, settled):
                known = await self._read_with_trails(names)
            settled.gone[task.name] = known.moved.get((self._queue, task.name), "")
        return settled

    async def _settle(
        self,
        task: TaskDefinition,
        declarer: Declarer | None,
        known: _Known,
        own: Set[Address],
        settled: Settled,
    ) -> bool:
        """False if another process has declared or moved the task since it was read."""
        here = self._queue, task.name
        names = {task.name, *task.aliases}
        former = [address for address in known.definitions if address != here and address[1] in names]
        if here not in known.definitions:
            trails = {start: hops for start, hops in known.trails.items() if start[1] in names}
            ends = {end_of(start, hops) for start, hops in trails.items()} - {here, *former, *own}
            former += await self._read_more(sorted(ends), declarer, known)
            if not former and await self._is_moving(here, trails, declarer):
                settled.elsewhere.add(task.name)
                return True
            if not former and trails:
                lost = {hop.task for hops in trails.values() for hop in hops}
                former = await self._renamed(lost, own, declarer, known)
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
                seen = digest(known.definitions[queue, name])
                if not await Moves(self._connection, queue).move_task(name, seen, target):
                    return False
        # What waits at the beginning of a trail goes all its way.
        ends = here, *former
        ways = [way for end in ends for way in known.ways.get(end, ()) if way[0] not in ends]
        for way in ways:
            if way[0] in known.scheduled or way[0][0] in known.carrying:
                for queue, _ in way[:-1]:
                    await Moves(self._connection, queue).sweep(whole=True)
        for queue, _ in former:
            await Moves(self._connection, queue).sweep(whole=True)
        for queue, name in {*former, *(address for way in ways for address in way)} - {here}:
            if await self._connection.command("hexists", QueueKeys(queue)["schedules"], name):
                settled.held.add(task.name)
        return True

    async def _is_moving(
        self, here: Address, trails: Mapping[Address, list[Target]], declarer: Declarer | None
    ) -> bool:
        """Whether a move may be under way: its task is closed, and not declared in its new place yet."""
        if declarer is None:
            return here in trails
        lasts = [hops[-1] for start, hops in trails.items() if start == here or end_of(start, hops) != here]
        pending = [last.at_ms for last in lasts if last.worker != declarer.worker]
        return bool(pending) and to_ms(await self._connection.now()) - max(pending) < MOVE_WITHIN_MS

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

    async def _renamed(
        self, names: Set[str], own: Set[Address], declarer: Declarer | None, known: _Known
    ) -> list[Address]:
        """Tasks with one of these former names; for a trail that breaks off as a note was lost."""
        found = []
        for queue in await list_queues(self._connection):
            stored = await self._connection.command("hgetall", QueueKeys(queue)["tasks"])
            found += [(queue, name) for name, text in stored.items() if not names.isdisjoint(_aliases(text))]
        return await self._read_more([address for address in found if address not in own], declarer, known)

    async def _read_more(
        self, addresses: Sequence[Address], declarer: Declarer | None, known: _Known
    ) -> list[Address]:
        """Those of the addresses with a task, but of other code: one's own task has no former name here."""
        found = []
        me = declarer and (declarer.worker, to_ms(declarer.born))
        for queue, name in addresses:
            more = await self._read([name], [queue])
            known.definitions |= more.definitions
            known.declarers |= more.declarers
            if more.definitions and more.declarers.get((queue, name)) != (me or ()):
                found.append((queue, name))
        return found

    async def _read_with_trails(self, names: Sequence[str]) -> _Known:
        known = await self._read(names, await list_queues(self._connection))
        # A task that is declared has no note.
        notes = known.moved | dict.fromkeys(known.definitions, "")
        for start in known.moved:
            if hops := await _look_up(self._connection, follow(start, notes)):
                known.trails[start] = hops
                way = [start, *((hop.queue, hop.task) for hop in hops)]
                known.ways.setdefault(way[-1], []).append(way)
        return known

    async def _read(self, names: Sequence[str], queues: Sequence[str]) -> _Known:
        known = _Known()
        if not names:
            return known
        pipe = self._connection.pipeline()
        for queue in queues:
            keys = QueueKeys(queue)
            for kind in ("tasks", "declarers", "moved", "schedules"):
                pipe.hmget(keys[kind], names)
            pipe.hlen(keys["departures"])
        replies = await self._connection.execute(pipe)
        for i, queue in enumerate(queues):
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


def _aliases(text: str) -> Sequence[str]:
    try:
        return TaskDefinition.from_json(text).aliases
    except ConfigError:
        return ()
