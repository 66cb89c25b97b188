"""Schedules with their next slots, pauses, skips and backfills."""

from collections.abc import Sequence
from datetime import UTC, datetime

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.keys import QueueKeys
from infinitas.broker.reading import schedule_info
from infinitas.core.records import ScheduleInfo

_PAGE = 1000
_FAR = datetime.max.replace(tzinfo=UTC)


async def find_schedule(connection: Connection, key: str) -> ScheduleInfo | None:
    """One schedule, of any queue, or None."""
    for queue in await list_queues(connection):
        if found := await schedule_infos(connection, QueueKeys(queue), [key]):
            return found[0]
    return None


async def next_schedules(connection: Connection, task: str | None, limit: int) -> list[ScheduleInfo]:
    """Up to `limit` schedules, those with the earliest next slot first."""
    found: list[ScheduleInfo] = []
    for queue in await list_queues(connection):
        keys, start = QueueKeys(queue), 0
        own: list[ScheduleInfo] = []
        while len(own) < limit:
            names = await connection.command("zrange", keys["due"], start, start + _PAGE - 1)
            infos = await schedule_infos(connection, keys, names)
            own += [info for info in infos if task in (None, info.schedule.task, info.schedule.key)]
            start += _PAGE
            if len(names) < _PAGE:
                break
        found += own
    found.sort(key=lambda info: (info.next_slot or _FAR, info.schedule.key))
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
    for name in names:
        pipe.llen(keys.of("backfill", name))
    replies = await connection.execute_each(pipe)
    rows = zip(*replies[:8], replies[8:], strict=True)
    return [schedule_info(keys.queue, key, row) for key, row in zip(names, rows, strict=True) if row[0]]
