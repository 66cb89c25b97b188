"""Code against what is stored: what a deploy would change, and carrying it out."""

from collections.abc import Sequence
from dataclasses import replace

from infinitas.broker.answers import name_taken
from infinitas.broker.inspect.schedules import code_schedules
from infinitas.broker.inspect.tasks import all_tasks
from infinitas.broker.messages import Declarer, homes_of
from infinitas.client.redis_client import RedisClient
from infinitas.core.declaration import (
    NewPlace,
    ScheduleChange,
    SyncPlan,
    TaskMove,
    compare,
    compare_unreadable,
)
from infinitas.core.errors import NameTaken
from infinitas.core.records import TaskInfo
from infinitas.core.schedule import Schedule
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.task_definition import TaskDefinition
from infinitas.tasks.registry import Registry


async def plan_sync(registry: Registry, client: RedisClient) -> SyncPlan:
    """Compare the tasks and schedules of code with what is stored. Stores nothing."""
    stored = await all_tasks(client.connection)
    declared = {name: registry.tasks[name].declared for name in sorted(registry.tasks)}
    moves = tuple(move for each in declared.values() for move in _moves(each, stored))
    known = {task.name: task for task in stored} | {
        move.task: next(t for t in stored if (t.name, t.queue) == (move.former_task, move.former_queue))
        for move in moves
    }
    rival = await (await client.broker(registry.queue)).workers.rivals(homes_of(declared.values()))
    return SyncPlan(
        new_tasks=tuple(name for name in declared if name not in known),
        changed_tasks=tuple(
            name
            for name, each in declared.items()
            if name in known and _options(each) != _options(known[name].definition)
        ),
        moves=moves,
        places=tuple(
            NewPlace(task=name, place=each.place, former=known[name].definition.place)
            for name, each in declared.items()
            if name in known and each.place and known[name].definition.place not in ("", each.place)
        ),
        taken=str(name_taken(rival, declared[rival.task].place)) if rival else "",
        schedules=await _changes(registry, client, known, moves),
    )


def _moves(task: TaskDefinition, stored: Sequence[TaskInfo]) -> list[TaskMove]:
    former = [t for t in stored if t.name in (task.name, *task.aliases)]
    served = any(t.has_worker for t in former if (t.name, t.queue) == (task.name, task.queue))
    return [
        TaskMove(
            task=task.name,
            queue=task.queue,
            former_task=t.name,
            former_queue=t.queue,
            jobs=t.queued + t.running,
            waits=t.has_worker and not served,
        )
        for t in former
        if (t.name, t.queue) != (task.name, task.queue)
    ]


def _options(task: TaskDefinition) -> TaskDefinition:
    """The options without those of its place and its former ones."""
    return replace(task, name="t", queue="default", place="", takes_over=None, aliases=())


async def _changes(
    registry: Registry, client: RedisClient, known: dict[str, TaskInfo], moves: Sequence[TaskMove]
) -> tuple[ScheduleChange, ...]:
    now = await client.connection.now()
    stored: dict[str, ScheduleInfo] = {}
    unreadable: dict[str, tuple[str, Schedule | None]] = {}
    names = {move.former_task: move.task for move in moves}
    for queue in sorted({*registry.queues, registry.queue, *(move.former_queue for move in moves)}):
        for info in await code_schedules(client.connection, queue):
            key = info.schedule.key
            name = names.get(key, key)
            stored[name] = info if name == key else replace(info, schedule=info.schedule.renamed(name, name))
        tasks = sorted({*registry.tasks, *(info.name for info in known.values() if info.queue == queue)})
        unreadable |= await (await client.broker(queue)).schedules.find_unreadable(tasks)
    changes = []
    scheduled = {name for name, task in registry.tasks.items() if task.schedule}
    for key in sorted(stored.keys() | unreadable.keys() | scheduled):
        declared = registry.tasks[key].schedule if key in registry.tasks else None
        before = stored[key].schedule if key in stored else None
        served = key not in registry.tasks and key in known and known[key].has_worker
        if key in unreadable:
            why, known_rule = unreadable[key]
            change = compare_unreadable(key, why, known_rule, declared, now)
        else:
            change = compare(key, before, declared, served, now)
        changes.append(change)
    return tuple(changes)


async def apply_sync(registry: Registry, client: RedisClient, plan: SyncPlan, *, prune: bool) -> None:
    """Declare everything as the newest code there is; with `prune`, forget the orphans.

    Raises:
        NameTaken: live workers serve one of the tasks with other code; nothing was stored.
    """
    if plan.taken:
        raise NameTaken(plan.taken)
    declarer = Declarer(born=await client.connection.now())
    left = {move.task for move in plan.moves if move.waits}
    for queue in registry.queues:
        here = [task for task in registry.tasks.values() if task.definition.queue == queue]
        tasks = [task for task in here if task.name not in left]
        schedules = [task.schedule for task in tasks if task.schedule]
        declarations = (await client.broker(queue)).declarations
        await declarations.declare([task.declared for task in tasks], schedules, declarer)
    if prune:
        for orphan in plan.orphans:
            await client.schedules.remove(orphan.key)
