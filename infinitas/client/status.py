"""The state of a whole installation, from Redis and the archive."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from infinitas.broker.connection import Connection
from infinitas.broker.events import ARCHIVER
from infinitas.broker.health import Health
from infinitas.broker.processes import Processes
from infinitas.core.errors import ServerUnreachable
from infinitas.core.records import QueueInfo, TaskLine, WorkerInfo
from infinitas.core.status import Day, Status, WorkerCounts, missing_parts

if TYPE_CHECKING:
    from infinitas.archive.reader import Reader

DAY = timedelta(hours=24)
GONE_AFTER = timedelta(seconds=20)
"""A process writes itself every five seconds."""


async def read_status(
    connection: Connection,
    archive: "Reader | None",
    workers: Sequence[WorkerInfo],
    queues: Sequence[QueueInfo],
    tasks: Sequence[TaskLine],
) -> Status:
    """What runs, what waits, what is missing. Raises ServerUnreachable."""
    now = await connection.now()
    processes = [each for each in await Processes(connection).all() if now - each.at < GONE_AFTER]
    slots = [task.next_slot for task in tasks if task.next_slot is not None]
    late_s = max((now - min(slots)).total_seconds(), 0.0) if slots else 0.0
    lag = await _archive_lag(connection, queues)
    return Status(
        now=now,
        processes=tuple(processes),
        workers=WorkerCounts(
            live=len(workers),
            capacity=sum(each.capacity for each in workers),
            busy=sum(each.busy for each in workers),
        ),
        queues=tuple(queues),
        late_s=late_s,
        archive_lag_s=lag,
        day=await _day(archive, now),
        missing=missing_parts(
            {each.kind for each in processes},
            schedules=len(slots),
            later=sum(each.waiting for each in queues),
            late_s=late_s,
            unserved=[
                (task.name, task.queued)
                for task in tasks
                if not task.has_worker and not task.external and (task.queued or task.rules)
            ],
            archive_lag_s=lag,
            archives=archive is not None,
        ),
    )


async def _archive_lag(connection: Connection, queues: Sequence[QueueInfo]) -> float | None:
    """The greatest of all queues, in seconds."""
    found = await asyncio.gather(*(Health(connection, queue.name).lag() for queue in queues))
    waits = [each.waiting_s for _, lags in found for each in lags if each.reader == ARCHIVER]
    return max(waits, default=None)


async def _day(archive: "Reader | None", now: datetime) -> Day | None:
    if archive is None:
        return None
    try:
        numbers = await archive.statistics.since(now - DAY, now)
    except ServerUnreachable:
        return None
    return Day(succeeded=numbers.succeeded, failed=numbers.failed - numbers.missed, missed=numbers.missed)
