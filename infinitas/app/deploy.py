"""Code against what is stored: what a deploy would change, and carrying it out."""

from infinitas.broker.inspect.schedules import code_schedules
from infinitas.broker.messages import Declarer
from infinitas.client.redis_client import RedisClient
from infinitas.core.declaration import SyncPlan, compare, compare_unreadable
from infinitas.core.records import ScheduleInfo
from infinitas.core.schedule import Schedule
from infinitas.tasks.registry import Registry


async def plan_sync(registry: Registry, client: RedisClient) -> SyncPlan:
    """Compare the tasks and schedules of code with what is stored. Stores nothing."""
    now = await client.connection.now()
    known = {task.name: task for task in await client.tasks()}
    names = sorted(registry.tasks)
    stored: dict[str, ScheduleInfo] = {}
    unreadable: dict[str, tuple[str, Schedule | None]] = {}
    for queue in sorted({*registry.queues, registry.queue}):
        for info in await code_schedules(client.connection, queue):
            stored[info.schedule.key] = info
        tasks = sorted({*names, *(info.name for info in known.values() if info.queue == queue)})
        unreadable |= await (await client.broker(queue)).schedules.find_unreadable(tasks)
    changes = []
    scheduled = {name for name in names if registry.tasks[name].schedule}
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
    return SyncPlan(
        new_tasks=tuple(name for name in names if name not in known),
        changed_tasks=tuple(
            n for n in names if n in known and known[n].definition != registry.tasks[n].declared
        ),
        schedules=tuple(changes),
    )


async def apply_sync(registry: Registry, client: RedisClient, plan: SyncPlan, *, prune: bool) -> None:
    """Declare everything as the newest code there is; with `prune`, forget the orphans."""
    declarer = Declarer(born=await client.connection.now())
    for queue in registry.queues:
        tasks = [task for task in registry.tasks.values() if task.definition.queue == queue]
        schedules = [task.schedule for task in tasks if task.schedule]
        declarations = (await client.broker(queue)).declarations
        await declarations.declare([task.declared for task in tasks], schedules, declarer)
    if prune:
        for orphan in plan.orphans:
            await client.schedules.remove(orphan.key)
