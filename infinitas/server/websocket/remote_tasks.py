"""Tasks of a remote worker, made from its `identify` frame; their processors run in the worker."""

from collections.abc import Sequence
from datetime import datetime

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken
from infinitas.core.errors import UnknownTask
from infinitas.core.names import check_name
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_options import make_schedule
from infinitas.server.websocket.declared_tasks import keep_redacted, refuse_new_queues
from infinitas.tasks.registry import Registry
from infinitas.tasks.task import AnyTask, Task
from infinitas.wire.definitions import define
from infinitas.wire.frames import TaskEntry


async def remote_tasks(
    registry: Registry, client: RedisClient, entries: Sequence[TaskEntry], now: datetime, token: AccessToken
) -> dict[str, AnyTask]:
    """The tasks of an `identify` by name.

    Raises:
        UnknownTask: an entry has no options and its task is not declared.
        BadName, ConfigError, BadSchedule, BadArgs: an entry is wrong.
        Forbidden: the token may not declare it.
    """
    for entry in entries:
        check_name(entry.name, "task")
    stored = await client.definitions([entry.name for entry in entries])
    found: dict[str, AnyTask] = {}
    for entry in entries:
        if entry.options is None:
            if entry.name not in stored:
                raise UnknownTask(
                    f"The task {entry.name!r} is not declared; send its options with it ({{}} is enough)."
                )
            definition, schedule = stored[entry.name], None
        else:
            given = define(entry.name, entry.options)
            definition = keep_redacted(given, stored.get(entry.name), token)
            schedule = _schedule(entry, now)
        found[entry.name] = Task(registry.client, registry.plugins, _elsewhere, definition, schedule)
    await refuse_new_queues(client, {task.definition.queue for task in found.values()}, token)
    return found


def _elsewhere(*args: object, **kwargs: object) -> object:
    raise AssertionError("its processor runs in a remote worker")


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
