"""What waits and runs of each task, as the checks of the notifier need it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.reading import moment, task_definition
from infinitas.core.codec import from_ms
from infinitas.core.errors import InfinitasError
from infinitas.core.task_definition import UNREADABLE_TASK, TaskDefinition

OLDEST = 5
"""Running jobs of a task that are read."""
_BAD = (InfinitasError, ValueError, TypeError, KeyError, IndexError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    job: str
    worker: str
    started: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLoad:
    """`ready`: jobs that no worker has claimed, the first of them since `waits_since`; `next_slot`: of the
    task's own schedule; `oldest`: some of its running jobs, those that became ready first; `holders`: jobs
    that each worker has claimed, whether it lives or not."""

    task: str
    definition: TaskDefinition
    has_worker: bool
    next_slot: bool = False
    ready: int = 0
    waits_since: datetime | None = None
    oldest: tuple[RunningJob, ...] = ()
    holders: tuple[tuple[str, int], ...] = ()


async def task_names(connection: Connection, queue: str) -> list[str]:
    """Names of all tasks of a queue, sorted."""
    return sorted(await connection.command("hkeys", QueueKeys(queue)["tasks"]))


async def task_loads(
    connection: Connection, queue: str, names: Sequence[str]
) -> tuple[datetime, list[TaskLoad]]:
    """The loads of these tasks, and the time. Raises ServerUnreachable."""
    keys = QueueKeys(queue)
    now = await connection.now()
    if not names:
        return now, []
    pipe = connection.pipeline()
    pipe.hmget(keys["tasks"], names)
    pipe.zmscore(keys["processors"], names)
    pipe.zmscore(keys["due"], names)
    for name in names:
        pipe.xlen(keys.of("stream", name))
        pipe.xpending(keys.of("stream", name), "workers")
    texts, served, slots, *rest = await connection.execute_each(pipe)
    loads, last_claimed = [], {}
    for place, name in enumerate(names):
        length, pending = rest[2 * place], rest[2 * place + 1]
        if not texts[place] or isinstance(length, Exception):
            continue
        claimed = 0 if isinstance(pending, Exception) else int(pending["pending"])
        last_claimed[name] = str(pending["max"]) if claimed else ""
        loads.append(
            TaskLoad(
                task=name,
                definition=_definition(name, texts[place]),
                has_worker=bool(served[place]) and from_ms(int(served[place])) > now,
                next_slot=slots[place] is not None,
                ready=max(int(length) - claimed, 0),
                holders=_holders(pending) if claimed else (),
            )
        )
    return now, await _with_jobs(connection, keys, loads, last_claimed)


def _holders(pending: Any) -> tuple[tuple[str, int], ...]:
    return tuple((str(each["name"]), int(each["pending"])) for each in pending["consumers"])


def _definition(name: str, text: str) -> TaskDefinition:
    try:
        return task_definition(name, text)
    except _BAD:
        return replace(UNREADABLE_TASK, name=name)


async def _with_jobs(
    connection: Connection, keys: QueueKeys, loads: Sequence[TaskLoad], last_claimed: dict[str, str]
) -> list[TaskLoad]:
    """The loads, with the first waiting job and the oldest running ones."""
    pipe = connection.pipeline()
    for load in loads:
        stream, claimed = keys.of("stream", load.task), last_claimed[load.task]
        pipe.xrange(stream, f"({claimed}" if claimed else "-", "+", count=1)
        pipe.xpending_range(stream, "workers", "-", "+", OLDEST)
    replies = await connection.execute_each(pipe)
    entries = []
    for place, load in enumerate(loads):
        pending = replies[2 * place + 1]
        if last_claimed[load.task] and not isinstance(pending, Exception):
            entries += [(load.task, str(item["message_id"])) for item in pending]
    running = await _running(connection, keys, entries)
    return [
        replace(
            load,
            waits_since=_since(replies[2 * place]) if load.ready else None,
            oldest=tuple(running.get(load.task, ())),
        )
        for place, load in enumerate(loads)
    ]


async def _running(
    connection: Connection, keys: QueueKeys, entries: Sequence[tuple[str, str]]
) -> dict[str, list[RunningJob]]:
    if not entries:
        return {}
    pipe = connection.pipeline()
    for task, entry in entries:
        pipe.xrange(keys.of("stream", task), entry, entry)
    found = [
        (task, str(reply[0][1].get("job", "")))
        for (task, _), reply in zip(entries, await connection.execute_each(pipe), strict=True)
        if reply and not isinstance(reply, Exception)
    ]
    pipe = connection.pipeline()
    for _, job in found:
        pipe.hmget(keys.of("job", job), ["state", "started", "worker"])
    running: dict[str, list[RunningJob]] = {}
    for (task, job), reply in zip(found, await connection.execute_each(pipe) if found else [], strict=True):
        if isinstance(reply, Exception) or reply[0] != "running":
            continue
        try:
            each = RunningJob(job=job, worker=str(reply[2] or ""), started=moment(reply[1]))
        except _BAD:
            continue
        running.setdefault(task, []).append(each)
    return running


def _since(reply: Any) -> datetime | None:
    """When the first entry of this reply became ready: its id begins with that time."""
    try:
        return moment(str(reply[0][0]).partition("-")[0])
    except _BAD:
        return None
