"""Tasks with their definitions, summaries and schedules."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.inspect.schedules import schedule_infos
from infinitas.broker.keys import QueueKeys
from infinitas.broker.lists import Lists
from infinitas.broker.reading import read_pause, task_definition, task_info, task_line
from infinitas.broker.stored_rules import task_of_rule
from infinitas.broker.task_pauses import WHOLE_QUEUE
from infinitas.core.errors import InfinitasError
from infinitas.core.namespace import may_mean, prefix_of
from infinitas.core.records import TaskInfo, TaskLine
from infinitas.core.schedule_records import Pause, ScheduleInfo
from infinitas.core.task_definition import TaskDefinition

_NEXT_SLOTS = 1000
EXTERNAL = '"external":true'
"""In the JSON of a definition."""


async def find_task(connection: Connection, name: str) -> TaskInfo | None:
    """One task with its schedules and summary, or None."""
    for queue in await list_queues(connection):
        if found := await _tasks(connection, QueueKeys(queue), [name]):
            return found[0]
    return None


async def list_tasks(
    connection: Connection, after: str | None, limit: int, *, recent: bool
) -> tuple[list[TaskLine], str | None]:
    """Up to `limit` tasks of all queues by name, after `after`, and the last one's name if there are more.

    One script for each queue reads all that is shown of its tasks.
    """
    queues = await list_queues(connection)
    pipe = connection.pipeline()
    for queue in queues:
        pipe.hkeys(QueueKeys(queue)["tasks"])
    named = zip(queues, await connection.execute(pipe), strict=True)
    # A task that is moving to another queue may be in both.
    known = sorted((name, queue) for queue, names in named for name in names if after is None or name > after)
    page = [each for each in known if len(known) <= limit or each[0] <= known[limit - 1][0]]
    wanted: dict[str, list[str]] = {}
    for name, queue in page:
        wanted.setdefault(queue, []).append(name)
    found = await asyncio.gather(
        *(_lines(connection, QueueKeys(queue), names, recent) for queue, names in wanted.items())
    )
    lines = sorted((line for lines in found for line in lines), key=lambda line: line.name)
    return lines, page[-1][0] if len(page) < len(known) else None


async def _lines(
    connection: Connection, keys: QueueKeys, names: Sequence[str], recent: bool
) -> list[TaskLine]:
    rows, others = await Lists(connection, keys).list_tasks(names, _NEXT_SLOTS, runs=recent)
    rules: dict[str, list[tuple[str, str, str | None]]] = {}
    for key, text, slot in zip(others[::3], others[1::3], others[2::3], strict=True):
        rules.setdefault(task_of_rule(key, text), []).append((key, text, slot))
    found: list[TaskLine] = []
    for name, row in zip(names, rows, strict=True):
        if row is not None:
            *facts, rule, slot, alive = row
            own = [(name, rule, slot)] if rule else []
            found.append(task_line(keys.queue, name, facts, own + rules.get(name, []), bool(alive)))
    pauses = await _pauses(connection, keys)
    return [replace(line, paused=pauses.get(line.name, pauses.get(WHOLE_QUEUE))) for line in found]


async def _pauses(connection: Connection, keys: QueueKeys) -> dict[str, Pause]:
    """Pauses of tasks, and of the whole queue, that can be read."""
    texts = await connection.command("hgetall", keys["paused_tasks"])
    return {name: pause for name, text in texts.items() if (pause := read_pause(text)) is not None}


async def all_tasks(connection: Connection) -> list[TaskInfo]:
    """Every task of every queue with its definition, by name: a command for each thing of each task."""
    found = [
        info
        for queue in await list_queues(connection)
        for info in await _tasks(connection, QueueKeys(queue), None)
    ]
    return sorted(found, key=lambda info: info.name)


async def names_like(connection: Connection, name: str) -> list[str]:
    """Names of tasks that may be meant by an unknown `name`, sorted."""
    return sorted({full for full in await _names(connection) if may_mean(full, name)})


async def namespaces(connection: Connection) -> list[str]:
    """The prefixes of all tasks' names, sorted."""
    return sorted({prefix_of(full) for full in await _names(connection)} - {""})


async def _names(connection: Connection) -> list[str]:
    pipe = connection.pipeline()
    for queue in await list_queues(connection):
        pipe.hkeys(QueueKeys(queue)["tasks"])
    return [name for names in await connection.execute(pipe) for name in names]


async def find_definitions(connection: Connection, names: Sequence[str]) -> dict[str, TaskDefinition]:
    """Definitions of those of `names` that are declared and can be read."""
    found: dict[str, TaskDefinition] = {}
    for queue in await list_queues(connection) if names else ():
        texts = await connection.command("hmget", QueueKeys(queue)["tasks"], names)
        for name, text in zip(names, texts, strict=True):
            with suppress(InfinitasError, ValueError):
                found |= {name: task_definition(name, text)} if text else {}
    return found


async def _tasks(connection: Connection, keys: QueueKeys, names: list[str] | None) -> list[TaskInfo]:
    pipe = connection.pipeline()
    pipe.hgetall(keys["tasks"]) if names is None else pipe.hmget(keys["tasks"], names)
    pipe.zrange(keys["due"], 0, _NEXT_SLOTS - 1, withscores=True)
    pipe.zrange(keys["processors"], 0, -1, withscores=True)
    pipe.time()
    defined, due, processors, clock = await connection.execute(pipe)
    if names is not None and due:
        # Of few tasks, only their own schedules are read whole.
        texts = await connection.command("hmget", keys["schedules"], [key for key, _ in due])
        rules = zip(due, texts, strict=True)
        due = [each for each, text in rules if text and task_of_rule(each[0], text) in names]
    definitions = defined if names is None else dict(zip(names, defined, strict=True))
    definitions = {name: text for name, text in definitions.items() if text}
    # A task's own schedule, and those that come next: there may be a million of them.
    wanted = list({**dict.fromkeys(definitions), **dict.fromkeys(key for key, _ in due)})
    infos = await schedule_infos(connection, keys, wanted)
    now_ms = clock[0] * 1000 + clock[1] // 1000
    alive = {task for task, until in processors if until > now_ms}
    live = await _live(connection, keys, list(definitions))
    await _count_open_runs(connection, keys, [n for n, t in definitions.items() if EXTERNAL in t], live)
    own = _by_task(infos)
    pauses = await _pauses(connection, keys)
    return [
        replace(
            task_info(keys.queue, name, definition, live[name], own.get(name, ()), name in alive),
            paused=pauses.get(name, pauses.get(WHOLE_QUEUE)),
        )
        for name, definition in definitions.items()
    ]


def _by_task(infos: Sequence[ScheduleInfo]) -> dict[str, list[ScheduleInfo]]:
    """Schedules by task. One that can't be read has lost its task; a task's own is known by the key."""
    found: dict[str, list[ScheduleInfo]] = {}
    for info in infos:
        name = info.schedule.task if info.unreadable is None else info.schedule.task or info.schedule.key
        found.setdefault(name, []).append(info)
    return found


async def _count_open_runs(
    connection: Connection, keys: QueueKeys, names: Sequence[str], live: dict[str, Any]
) -> None:
    """Put how many runs of external tasks are open in the place of the pending count."""
    if not names:
        return
    pipe = connection.pipeline()
    for name in names:
        pipe.hlen(keys.of("open", name))
    for name, count in zip(names, await connection.execute_each(pipe), strict=True):
        live[name][2:4] = [0 if isinstance(count, Exception) else count, {"pending": count}]


async def _live(connection: Connection, keys: QueueKeys, names: list[str]) -> dict[str, Any]:
    """Summary, recent outcomes, stream length and pending count of each task."""
    pipe = connection.pipeline()
    for name in names:
        pipe.hgetall(keys.of("task", name))
        pipe.lrange(keys.of("recent", name), 0, -1)
        pipe.xlen(keys.of("stream", name))
        pipe.xpending(keys.of("stream", name), "workers")
    replies = await connection.execute_each(pipe)
    return {name: replies[i * 4 : i * 4 + 4] for i, name in enumerate(names)}
