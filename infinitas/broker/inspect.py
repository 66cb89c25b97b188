"""Read-only views of the live state, for the client and the CLI."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ResponseError

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QUEUES, QueueKeys, worker
from infinitas.broker.reading import (
    Stored,
    job_info,
    job_of_outcome,
    log_lines,
    schedule_info,
    task_definition,
    task_info,
    worker_info,
)
from infinitas.broker.refusals import in_our_words
from infinitas.core.codec import from_ms
from infinitas.core.errors import InfinitasError
from infinitas.core.records import JobInfo, LogLine, QueueInfo, ScheduleInfo, TaskInfo, WorkerInfo
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition

_PAGE = 500
NEXT_SLOTS = 1000
_FAR = datetime.max.replace(tzinfo=UTC)


async def _replies(connection: Connection, pipe: Any) -> list[Any]:
    """Replies of a pipeline. One of a key that holds something else, or lacks its group, is its exception.

    Raises ServerUnreachable, InfinitasError.
    """
    replies: list[Any] = await connection.ask(pipe.execute(raise_on_error=False))
    for reply in replies:
        about_one_key = type(reply) is ResponseError and (
            "WRONGTYPE" in str(reply) or "NOGROUP" in str(reply)
        )
        if isinstance(reply, Exception) and not about_one_key:
            raise in_our_words(reply, connection.url)
    return replies


async def _reply(connection: Connection, command: str, *arguments: object) -> Any:
    """`_replies` of one command of redis-py."""
    pipe = connection.redis.pipeline(transaction=False)
    getattr(pipe, command)(*arguments)
    return (await _replies(connection, pipe))[0]


async def queues(connection: Connection) -> list[str]:
    """Names of all queues, sorted."""
    return sorted(await connection.ask(connection.redis.smembers(QUEUES)))


async def find_task(connection: Connection, name: str) -> TaskInfo | None:
    """One task with its schedules and summary, or None."""
    for queue in await queues(connection):
        if found := await _tasks(connection, QueueKeys(queue), [name]):
            return found[0]
    return None


async def definitions(connection: Connection, names: Sequence[str]) -> dict[str, TaskDefinition]:
    """Definitions of those of `names` that are declared, and can be read."""
    if not names:
        return {}
    pipe = connection.redis.pipeline(transaction=False)
    for queue in await queues(connection):
        pipe.hmget(QueueKeys(queue)["tasks"], names)
    found: dict[str, TaskDefinition] = {}
    for texts in await connection.ask(pipe.execute()):
        for name, text in zip(names, texts, strict=True):
            with suppress(InfinitasError, ValueError):
                found |= {name: task_definition(name, text)} if text else {}
    return found


async def all_tasks(connection: Connection) -> list[TaskInfo]:
    """Every task of every queue, by name."""
    found = [
        info
        for queue in await queues(connection)
        for info in await _tasks(connection, QueueKeys(queue), None)
    ]
    return sorted(found, key=lambda info: info.name)


async def _tasks(connection: Connection, keys: QueueKeys, names: list[str] | None) -> list[TaskInfo]:
    redis = connection.redis
    pipe = redis.pipeline(transaction=False)
    pipe.hgetall(keys["tasks"]) if names is None else pipe.hmget(keys["tasks"], names)
    pipe.zrange(keys["due"], 0, NEXT_SLOTS - 1, withscores=True)
    pipe.zrange(keys["processors"], 0, -1, withscores=True)
    pipe.time()
    defined, due, processors, clock = await connection.ask(pipe.execute())
    definitions = defined if names is None else dict(zip(names, defined, strict=True))
    definitions = {name: text for name, text in definitions.items() if text}
    # A task's own schedule, and those that come next: there may be a million of them.
    wanted = list({**dict.fromkeys(definitions), **dict.fromkeys(key for key, _ in due)})
    infos = await _schedule_infos(connection, keys, wanted)
    now_ms = clock[0] * 1000 + clock[1] // 1000
    alive = {task for task, until in processors if until > now_ms}
    live = await _live(connection, keys, list(definitions))
    return [
        task_info(keys.queue, name, definition, live[name], infos, name in alive)
        for name, definition in definitions.items()
    ]


async def find_schedule(connection: Connection, key: str) -> ScheduleInfo | None:
    """One schedule, whichever queue it is in, or None."""
    for queue in await queues(connection):
        if found := await _schedule_infos(connection, QueueKeys(queue), [key]):
            return found[0]
    return None


async def next_schedules(connection: Connection, task: str | None, limit: int) -> list[ScheduleInfo]:
    """Up to `limit` schedules, those with the earliest next slot first."""
    found: list[ScheduleInfo] = []
    for queue in await queues(connection):
        keys, start = QueueKeys(queue), 0
        own: list[ScheduleInfo] = []
        while len(own) < limit:
            page = connection.redis.zrange(keys["due"], start, start + NEXT_SLOTS - 1)
            names = await connection.ask(page)
            infos = await _schedule_infos(connection, keys, names)
            own += [info for info in infos if task in (None, info.schedule.task, info.schedule.key)]
            start += NEXT_SLOTS
            if len(names) < NEXT_SLOTS:
                break
        found += own
    found.sort(key=lambda info: (info.next_slot or _FAR, info.schedule.key))
    return found[:limit]


async def code_schedules(connection: Connection, queue: str) -> list[ScheduleInfo]:
    """Schedules of a queue that code has declared, whether or not it still does."""
    keys = QueueKeys(queue)
    names = sorted(await connection.ask(connection.redis.hkeys(keys["tasks"])))
    infos = await _schedule_infos(connection, keys, names)
    return [info for info in infos if info.unreadable is None and info.schedule.origin == "code"]


async def _schedule_infos(connection: Connection, keys: QueueKeys, names: list[str]) -> list[ScheduleInfo]:
    if not names:
        return []
    pipe = connection.redis.pipeline(transaction=False)
    for kind in ("schedules", "marks", "paused", "skips", "runs", "live", "backfills"):
        pipe.hmget(keys[kind], names)
    pipe.zmscore(keys["due"], names)
    for name in names:
        pipe.llen(keys.of("backfill", name))
    replies = await _replies(connection, pipe)
    rows = zip(*replies[:8], replies[8:], strict=True)
    return [schedule_info(keys.queue, key, row) for key, row in zip(names, rows, strict=True) if row[0]]


async def _live(connection: Connection, keys: QueueKeys, names: list[str]) -> dict[str, Any]:
    """Summary, recent outcomes, stream length and pending count of each task."""
    pipe = connection.redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(keys.of("task", name))
        pipe.lrange(keys.of("recent", name), 0, -1)
        pipe.xlen(keys.of("stream", name))
        pipe.xpending(keys.of("stream", name), "workers")
    replies = await _replies(connection, pipe)
    return {name: replies[i * 4 : i * 4 + 4] for i, name in enumerate(names)}


async def queue_infos(connection: Connection) -> list[QueueInfo]:
    """All queues, by name."""
    found = []
    for queue in await queues(connection):
        keys = QueueKeys(queue)
        tasks = sorted(await connection.ask(connection.redis.hkeys(keys["tasks"])))
        pipe = connection.redis.pipeline(transaction=False)
        pipe.zcard(keys["later"])
        pipe.xlen(keys["events"])
        for task in tasks:
            stream = keys.of("stream", task)
            pipe.xlen(stream)
            pipe.xpending(stream, "workers")
            pipe.xrange(stream, count=1)
        found.append(_queue_info(queue, tasks, await _replies(connection, pipe)))
    return found


def _queue_info(queue: str, tasks: Sequence[str], replies: list[Any]) -> QueueInfo:
    waiting, events, *rest = replies
    streams = dict(zip(tasks, zip(rest[0::3], rest[1::3], rest[2::3], strict=True), strict=True))
    whole = {task: parts for task, parts in streams.items() if not isinstance(parts[0], Exception)}
    # A task that never had a worker has a stream without a group: then nothing is pending.
    pending = [parts[1] for parts in whole.values() if not isinstance(parts[1], Exception)]
    running = sum(int(each["pending"]) for each in pending)
    ages = [int(firsts[0][0].split("-")[0]) for _, _, firsts in whole.values() if firsts]
    stored = Stored({})
    return QueueInfo(
        name=queue,
        tasks=len(tasks),
        queued=sum(parts[0] for parts in whole.values()) - running,
        running=running,
        waiting=stored.attempt("later", lambda: int(waiting), 0),
        oldest=stored.attempt("oldest", lambda: from_ms(min(ages)), None) if ages else None,
        events=stored.attempt("events", lambda: int(events), 0),
        unreadable="; ".join(
            [f"stream of {task}: its key holds something else" for task in streams if task not in whole]
            + [text for text in [stored.unreadable] if text]
        )
        or None,
    )


async def log_since(
    connection: Connection, queue: str, id: str, position: str, block_ms: int
) -> tuple[str, list[LogLine]]:
    """Lines that a live job has logged after a position in its log stream, and the new position.

    Waits up to `block_ms` for the first; 0 does not wait.
    """
    key = QueueKeys(queue).of("log", id)
    reply = await connection.ask(connection.redis.xread({key: position}, block=block_ms or None))
    chunks = reply[0][1] if reply else []
    return (chunks[-1][0] if chunks else position), list(log_lines(chunks))


async def find_job(connection: Connection, id: str) -> JobInfo | None:
    """A job that Redis still has, with its log, or None."""
    for queue in await queues(connection):
        keys = QueueKeys(queue)
        if fields := await _reply(connection, "hgetall", keys.of("job", id)):
            return job_info(queue, id, fields, await _reply(connection, "xrange", keys.of("log", id)))
    return None


async def find_jobs(connection: Connection, jobs: Sequence[JobInfo]) -> list[JobInfo]:
    """What Redis still has of these jobs, as they are now, without their logs."""
    found: list[JobInfo] = []
    for queue in sorted({job.queue for job in jobs}):
        tasks = {job.id: job.task for job in jobs if job.queue == queue}
        found += await _jobs(connection, QueueKeys(queue), tasks)
    return found


async def existing_jobs(connection: Connection, queue: str, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that Redis has."""
    keys = QueueKeys(queue)
    pipe = connection.redis.pipeline(transaction=False)
    for id in ids:
        pipe.exists(keys.of("job", id))
    found = await connection.ask(pipe.execute())
    return {id for id, there in zip(ids, found, strict=True) if there}


async def live_jobs(connection: Connection, task: str | None, limit: int) -> list[JobInfo]:
    """Jobs that run, are ready, wait, or have just ended; running first."""
    found: list[JobInfo] = []
    for queue in await queues(connection):
        keys = QueueKeys(queue)
        names = sorted(await connection.ask(connection.redis.hkeys(keys["tasks"])))
        pipe = connection.redis.pipeline(transaction=False)
        wanted = [name for name in names if task in (None, name)]
        for name in wanted:
            pipe.xrange(keys.of("stream", name), count=limit)
            pipe.lrange(keys.of("recent", name), 0, -1)
        pipe.zrange(keys["later"], 0, _PAGE - 1)
        replies = [[] if isinstance(r, Exception) else r for r in await _replies(connection, pipe)]
        tasks: dict[str, str] = dict.fromkeys(replies.pop(), "")
        for name, stream, recent in zip(wanted, replies[0::2], replies[1::2], strict=True):
            tasks |= dict.fromkeys([entry["job"] for _, entry in stream if "job" in entry], name)
            tasks |= dict.fromkeys([job for job in map(job_of_outcome, recent) if job], name)
        found += await _jobs(connection, keys, tasks)
    rank = {State.RUNNING: 0, State.QUEUED: 1, State.RETRYING: 2, State.SCHEDULED: 2}
    found = [job for job in found if task in (None, job.task)]
    found.sort(key=lambda job: (rank.get(job.state, 3), -(job.ended or job.due).timestamp()))
    return found[:limit]


async def _jobs(connection: Connection, keys: QueueKeys, tasks: Mapping[str, str]) -> list[JobInfo]:
    """Those of these jobs that Redis has; each with the queue in which it was found."""
    pipe = connection.redis.pipeline(transaction=False)
    for id in tasks:
        pipe.hgetall(keys.of("job", id))
    found = zip(tasks.items(), await _replies(connection, pipe), strict=True)
    return [job_info(keys.queue, id, fields, task=task) for (id, task), fields in found if fields]


async def live_workers(connection: Connection) -> list[WorkerInfo]:
    """Workers that are members of some queue and whose facts have not expired."""
    redis = connection.redis
    pipe = redis.pipeline(transaction=False)
    for queue in await queues(connection):
        pipe.hkeys(QueueKeys(queue)["members"])
    ids = sorted({id for members in await connection.ask(pipe.execute()) for id in members})
    pipe = redis.pipeline(transaction=False)
    for id in ids:
        pipe.hgetall(worker(id))
    replies = await _replies(connection, pipe)
    return [worker_info(id, facts) for id, facts in zip(ids, replies, strict=True) if facts]
