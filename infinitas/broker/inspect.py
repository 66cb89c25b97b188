"""Read-only views of the live state, for the client and the CLI."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QUEUES, QueueKeys, worker
from infinitas.broker.messages import moment_of_score
from infinitas.broker.stored_rules import read_or_stand_in
from infinitas.core.codec import from_ms
from infinitas.core.records import (
    JobInfo,
    JobSummary,
    LogLine,
    Outcome,
    Pause,
    QueueInfo,
    ScheduleInfo,
    TaskInfo,
    WorkerInfo,
)
from infinitas.core.schedule import Schedule
from infinitas.core.states import State
from infinitas.core.task import TaskDefinition

_PAGE = 500
NEXT_SLOTS = 1000
_FAR = datetime.max.replace(tzinfo=UTC)


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
    """Definitions of those of `names` that are declared."""
    if not names:
        return {}
    pipe = connection.redis.pipeline(transaction=False)
    for queue in await queues(connection):
        pipe.hmget(QueueKeys(queue)["tasks"], names)
    texts = [text for found in await connection.ask(pipe.execute()) for text in found if text]
    return {each.name: each for each in map(TaskDefinition.from_json, texts)}


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
    rules = [info.schedule for info in infos]
    slots = {info.schedule.key: info.next_slot for info in infos if info.next_slot}
    now_ms = clock[0] * 1000 + clock[1] // 1000
    alive = {task for task, until in processors if until > now_ms}
    live = await _live(connection, keys, list(definitions))
    return [
        _task_info(keys.queue, name, definition, live[name], rules, slots, name in alive)
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
            own += [info for info in infos if task in (None, info.schedule.task)]
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
    columns = await connection.ask(pipe.execute())
    rows = zip(names, *columns[:8], columns[8:], strict=True)
    return [_schedule_info(keys.queue, row) for row in rows if row[1]]


def _schedule_info(queue: str, row: tuple[Any, ...]) -> ScheduleInfo:
    key, definition, mark, paused, skips, runs, live, backfill, slot, waiting = row
    pause = orjson.loads(paused) if paused else None
    schedule, unreadable = read_or_stand_in(key, definition)
    return ScheduleInfo(
        schedule=schedule,
        unreadable=unreadable,
        queue=queue,
        next_slot=moment_of_score(slot),
        last_slot=from_ms(int(mark)) if mark else None,
        pause=Pause(
            reason=pause["reason"],
            since=from_ms(pause["since"]),
            until=from_ms(pause["until"]) if "until" in pause else None,
        )
        if pause
        else None,
        skips=int(skips or 0),
        runs=int(runs or 0),
        live_job=live,
        filling=int(waiting) if backfill else None,
    )


async def _live(connection: Connection, keys: QueueKeys, names: list[str]) -> dict[str, Any]:
    """Summary, recent outcomes, stream length and pending count of each task."""
    pipe = connection.redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(keys.of("task", name))
        pipe.lrange(keys.of("recent", name), 0, -1)
        pipe.xlen(keys.of("stream", name))
        pipe.xpending(keys.of("stream", name), "workers")
    replies = await connection.ask(pipe.execute(raise_on_error=False))
    return {name: replies[i * 4 : i * 4 + 4] for i, name in enumerate(names)}


def _task_info(
    queue: str,
    name: str,
    definition: str,
    live: list[Any],
    rules: Iterable[Schedule],
    slots: Mapping[str, datetime],
    has_worker: bool,
) -> TaskInfo:
    summary, recent, length, pending = live
    # A task that never had a worker has a stream without a group: then nothing is pending.
    running = 0 if isinstance(pending, Exception) else int(pending["pending"])
    own = tuple(rule for rule in rules if rule.task == name)
    return TaskInfo(
        name=name,
        queue=queue,
        definition=TaskDefinition.from_json(definition),
        last_job=_summary(summary, "last_job", summary.get("last_job_status", "")),
        last_success=_summary(summary, "last_success", State.SUCCEEDED),
        last_failure=_summary(summary, "last_failure", State.FAILED),
        last_error=summary.get("last_failure_error") or None,
        streak=int(summary.get("streak", 0)),
        recent=tuple(_outcome(orjson.loads(text)) for text in recent),
        schedules=own,
        next_slot=min((slots[rule.key] for rule in own if rule.key in slots), default=None),
        queued=length - running,
        running=running,
        has_worker=has_worker,
    )


def _summary(fields: Mapping[str, str], role: str, status: str) -> JobSummary | None:
    if role not in fields:
        return None
    date = from_ms(int(fields[f"{role}_date"]))
    return JobSummary(id=fields[role], date=date, status=str(status))


def _outcome(fields: dict[str, Any]) -> Outcome:
    return Outcome(
        job=fields["job"],
        state=State(fields["state"]),
        ended=from_ms(int(fields["ended"])),
        duration_ms=int(fields["ms"]),
    )


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
        waiting, events, *rest = await connection.ask(pipe.execute(raise_on_error=False))
        lengths, pendings, firsts = rest[0::3], rest[1::3], rest[2::3]
        running = sum(int(each["pending"]) for each in pendings if not isinstance(each, Exception))
        ages = [int(entries[0][0].split("-")[0]) for entries in firsts if entries]
        found.append(
            QueueInfo(
                name=queue,
                tasks=len(tasks),
                queued=sum(lengths) - running,
                running=running,
                waiting=waiting,
                oldest=from_ms(min(ages)) if ages else None,
                events=events,
            )
        )
    return found


async def log_since(
    connection: Connection, queue: str, id: str, position: str, block_ms: int
) -> tuple[str, list[LogLine]]:
    """Lines that a live job has logged after a position in its log stream, and the new position.

    Waits up to `block_ms` for the first; 0 does not wait.
    """
    key = QueueKeys(queue).of("log", id)
    reply = await connection.ask(connection.redis.xread({key: position}, block=block_ms or None))
    chunks = reply[0][1] if reply else []
    lines = [LogLine(at=from_ms(at), level=level, text=text) for _, at, level, text in _lines(chunks)]
    return (chunks[-1][0] if chunks else position), lines


async def find_job(connection: Connection, id: str) -> JobInfo | None:
    """A job that Redis still has, with its log, or None."""
    for queue in await queues(connection):
        keys = QueueKeys(queue)
        redis = connection.redis
        fields: dict[str, str] = await connection.ask(redis.hgetall(keys.of("job", id)))
        if fields:
            chunks = await connection.ask(redis.xrange(keys.of("log", id)))
            return job_info(queue, id, fields, _lines(chunks))
    return None


def _lines(chunks: Iterable[tuple[str, Mapping[str, str]]]) -> list[list[Any]]:
    """Lines of a job's log stream; one that a remote worker has sent twice counts once."""
    found = {
        (chunk["attempt"], line[0]): line for _, chunk in chunks for line in orjson.loads(chunk["lines"])
    }
    return list(found.values())


def job_info(queue: str, id: str, fields: Mapping[str, str], lines: Iterable[list[Any]] = ()) -> JobInfo:
    """A job's hash as a record."""

    def moment(name: str) -> datetime | None:
        return from_ms(int(fields[name])) if fields.get(name) else None

    progress = fields.get("progress")
    return JobInfo(
        id=id,
        task=fields["task"],
        state=State(fields["state"]),
        attempt=int(fields.get("attempt", 0)),
        args=fields["args"],
        due=from_ms(int(fields["due"])),
        queue=queue,
        reason=fields.get("reason") or None,
        schedule=fields.get("schedule") or None,
        created=moment("created"),
        started=moment("started"),
        ended=moment("ended"),
        worker=fields.get("worker") or None,
        error=fields.get("error") or None,
        traceback=fields.get("traceback") or None,
        result=fields.get("result") or None,
        progress=float(progress) if progress else None,
        step=fields.get("step") or None,
        checkpoint=fields.get("checkpoint") or None,
        key=fields.get("key") or None,
        headers=orjson.loads(fields["headers"]) if fields.get("headers") else {},
        ready=moment("ready"),
        crashes=int(fields.get("crashes", 0)),
        log=tuple(LogLine(at=from_ms(at), level=level, text=text) for _, at, level, text in lines),
    )


async def find_jobs(connection: Connection, jobs: Sequence[JobInfo]) -> list[JobInfo]:
    """What Redis still has of these jobs, as they are now, without their logs."""
    found: list[JobInfo] = []
    for queue in sorted({job.queue for job in jobs}):
        found += await _jobs(connection, QueueKeys(queue), [job.id for job in jobs if job.queue == queue])
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
        *replies, later = await connection.ask(pipe.execute())
        ids = [entry["job"] for stream in replies[0::2] for _, entry in stream]
        ids += later
        ids += [orjson.loads(text)["job"] for recent in replies[1::2] for text in recent]
        found += await _jobs(connection, keys, list(dict.fromkeys(ids)))
    rank = {State.RUNNING: 0, State.QUEUED: 1, State.RETRYING: 2, State.SCHEDULED: 2}
    found = [job for job in found if task in (None, job.task)]
    found.sort(key=lambda job: (rank.get(job.state, 3), -(job.ended or job.due).timestamp()))
    return found[:limit]


async def _jobs(connection: Connection, keys: QueueKeys, ids: list[str]) -> list[JobInfo]:
    pipe = connection.redis.pipeline(transaction=False)
    for id in ids:
        pipe.hgetall(keys.of("job", id))
    found = await connection.ask(pipe.execute())
    return [job_info(keys.queue, id, fields) for id, fields in zip(ids, found, strict=True) if fields]


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
    replies = await connection.ask(pipe.execute())
    return [_worker(id, facts) for id, facts in zip(ids, replies, strict=True) if facts]


def _worker(id: str, facts: Mapping[str, str]) -> WorkerInfo:
    return WorkerInfo(
        id=id,
        host=facts["host"],
        pid=int(facts["pid"]),
        version=facts["version"],
        started=from_ms(int(facts["started"])),
        last_beat=from_ms(int(facts["last_beat"])),
        slots=int(facts["slots"]),
        busy=int(facts["busy"]),
        queues=tuple(orjson.loads(facts["queues"])),
        tasks=tuple(orjson.loads(facts["tasks"])),
    )
