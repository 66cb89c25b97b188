"""Schedules with their next slots, pauses, skips and backfills."""

from collections.abc import Sequence
from dataclasses import dataclass

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.keys import QueueKeys
from infinitas.broker.reading import schedule_info
from infinitas.broker.stored_rules import stated_task, task_of_rule
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.slot_position import SlotPosition

_PAGE = 1000


async def find_schedule(connection: Connection, key: str) -> ScheduleInfo | None:
    """One schedule, of any queue, or None."""
    for queue in await list_queues(connection):
        if found := await schedule_infos(connection, QueueKeys(queue), [key]):
            return found[0]
    return None


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The task that a schedule's key belongs to; `is_its_name`: the key is that task's own name."""

    task: str
    queue: str
    is_its_name: bool


async def key_owners(connection: Connection, keys: Sequence[str]) -> dict[str, KeyOwner]:
    """Owners of those of these keys that are in use, or name a task, in any queue."""
    found: dict[str, KeyOwner] = {}
    for queue in await list_queues(connection) if keys else ():
        own = QueueKeys(queue)
        pipe = connection.pipeline()
        pipe.hmget(own["schedules"], keys)
        pipe.hmget(own["tasks"], keys)
        rules, tasks = await connection.execute(pipe)
        for key, rule, task in zip(keys, rules, tasks, strict=True):
            if task:
                found[key] = KeyOwner(key, queue, True)
            elif rule and (owner := stated_task(rule)):
                found.setdefault(key, KeyOwner(owner, queue, False))
    return found


async def keys_of_task(connection: Connection, queue: str, task: str) -> list[str]:
    """Keys of all schedules of a task, sorted."""
    keys, cursor, found = QueueKeys(queue), 0, set[str]()
    while True:
        cursor, page = await connection.command("hscan", keys["schedules"], cursor, count=_PAGE)
        found |= {key for key, rule in page.items() if task_of_rule(key, rule) == task}
        if not cursor:
            return sorted(found)


async def next_schedules(
    connection: Connection, task: str | None, limit: int, after: SlotPosition | None = None
) -> list[ScheduleInfo]:
    """Up to `limit` schedules behind a position, those with the earliest next slot first."""
    found: list[ScheduleInfo] = []
    least = after.slot_ms if after else "-inf"
    for queue in await list_queues(connection):
        keys, start = QueueKeys(queue), 0
        own: list[ScheduleInfo] = []
        while len(own) < limit:
            names = await connection.command("zrangebyscore", keys["due"], least, "+inf", start, _PAGE)
            infos = await schedule_infos(connection, keys, names)
            own += [
                info
                for info in infos
                if task in (None, info.schedule.task, info.schedule.key)
                and (after is None or SlotPosition.of(info) > after)
            ]
            start += _PAGE
            if len(names) < _PAGE:
                break
        found += own
    found.sort(key=SlotPosition.of)
    return found[:limit]


async def code_schedules(connection: Connection, queue: str) -> list[ScheduleInfo]:
    """Schedules of a queue that code has declared, whether or not it still does."""
    keys = QueueKeys(queue)
    names = sorted(await connection.command("hkeys", keys["tasks"]))
    infos = await schedule_infos(connection, keys, names)
    return [info for info in infos if info.unreadable is None and info.schedule.origin == "code"]


async def schedule_infos(connection: Connection, keys: QueueKeys, names: Sequence[str]) -> list[ScheduleInfo]:
    """Those of one queue's schedules of these names that there are."""
    if not names:
        return []
    pipe = connection.pipeline()
    for kind in ("schedules", "marks", "paused", "skips", "runs", "live", "backfills"):
        pipe.hmget(keys[kind], names)
    pipe.zmscore(keys["due"], names)
    replies = await connection.execute_each(pipe)
    waiting = await _waiting(
        connection, keys, [name for name, fill in zip(names, replies[6], strict=True) if fill]
    )
    rows = zip(*replies, (waiting.get(name) for name in names), strict=True)
    return [schedule_info(keys.queue, key, row) for key, row in zip(names, rows, strict=True) if row[0]]


async def _waiting(connection: Connection, keys: QueueKeys, filling: Sequence[str]) -> dict[str, object]:
    """How many slots of each backfill wait; few schedules have one."""
    pipe = connection.pipeline()
    for name in filling:
        pipe.llen(keys.of("backfill", name))
    return dict(zip(filling, await connection.execute_each(pipe), strict=True)) if filling else {}
