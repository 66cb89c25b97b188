"""Tasks whose processors are elsewhere, out of what a worker says of itself."""

from collections.abc import Sequence
from datetime import datetime

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import UnknownTask
from infinitas.core.names import check_name
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_options import make_schedule
from infinitas.tasks.registry import Registry
from infinitas.tasks.task import AnyTask, Task
from infinitas.wire.definitions import define
from infinitas.wire.frames import TaskEntry


async def remote_tasks(
    registry: Registry, client: RedisClient, entries: Sequence[TaskEntry], now: datetime
) -> dict[str, AnyTask]:
    """The tasks of an `identify` by name.

    Raises:
        UnknownTask: one without options is not declared.
        BadName, ConfigError, BadSchedule, BadArgs: an entry is wrong.
    """
    for entry in entries:
        check_name(entry.name, "task")
    stored = await client.definitions([entry.name for entry in entries if entry.options is None])
    found: dict[str, AnyTask] = {}
    for entry in entries:
        if entry.options is None:
            if entry.name not in stored:
                raise UnknownTask(
                    f"Nobody has declared the task {entry.name!r}; send its options with it ({{}} will do)."
                )
            definition, schedule = stored[entry.name], None
        else:
            definition, schedule = define(entry.name, entry.options), _schedule(entry, now)
        found[entry.name] = Task(registry.client, registry.plugins, _elsewhere, definition, schedule)
    return found


def _elsewhere(*args: object, **kwargs: object) -> object:
    raise AssertionError("its processor is in another program")


def _schedule(entry: TaskEntry, now: datetime) -> Schedule | None:
    rule = entry.schedule
    if rule is None:
        return None
    return make_schedule(
        rule.rule(),
        key=entry.name,
        task=entry.name,
        at=rule.at,
        args=rule.stored_args() or EMPTY_ARGS,
        now=now,
        options=rule.options(),
    )
