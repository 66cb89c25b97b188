"""Jobs that Redis still has, and their logs."""

import heapq
from collections.abc import Mapping, Sequence

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.keys import QueueKeys
from infinitas.broker.lists import Lists
from infinitas.broker.reading import job_info, log_lines, recent_run
from infinitas.core.records import JobInfo, LogLine
from infinitas.core.states import FINAL, State

_PAGE = 500
_ENDED_A_LIMIT = 4


async def find_job(connection: Connection, id: str, *, log: bool = True) -> JobInfo | None:
    """A job that Redis still has, with its log unless that is not wanted, or None."""
    for queue in await list_queues(connection):
        keys = QueueKeys(queue)
        pipe = connection.pipeline()
        pipe.hgetall(keys.of("job", id))
        if fields := (await connection.execute_each(pipe))[0]:
            if not log:
                return job_info(queue, id, fields)
            pipe = connection.pipeline()
            pipe.xrange(keys.of("log", id))
            return job_info(queue, id, fields, (await connection.execute_each(pipe))[0])
    return None


async def find_jobs(connection: Connection, jobs: Sequence[JobInfo]) -> list[JobInfo]:
    """Those of these jobs that Redis still has, as they are now, without their logs."""
    found: list[JobInfo] = []
    for queue in sorted({job.queue for job in jobs}):
        tasks = {job.id: job.task for job in jobs if job.queue == queue}
        found += await _jobs(connection, QueueKeys(queue), tasks)
    return found


async def existing_jobs(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that Redis has, in any queue."""
    known: set[str] = set()
    for queue in await list_queues(connection):
        keys = QueueKeys(queue)
        pipe = connection.pipeline()
        for id in ids:
            pipe.exists(keys.of("job", id))
        known |= {id for id, exists in zip(ids, await connection.execute(pipe), strict=True) if exists}
    return known


async def waiting_jobs(connection: Connection, queue: str, task: str) -> list[str]:
    """Ids of a task's jobs that are in its stream, or wait for their time."""
    keys, cursor = QueueKeys(queue), 0
    found: dict[str, None] = {}
    pipe = connection.pipeline()
    pipe.xrange(keys.of("stream", task))
    for entries in await connection.execute_each(pipe):
        if not isinstance(entries, Exception):
            found |= dict.fromkeys(fields["job"] for _, fields in entries if "job" in fields)
    while True:
        cursor, page = await connection.command("zscan", keys["later"], cursor, count=_PAGE)
        pipe = connection.pipeline()
        for id, _ in page:
            pipe.hget(keys.of("job", id), "task")
        tasks = await connection.execute_each(pipe)
        found |= dict.fromkeys(id for (id, _), own in zip(page, tasks, strict=True) if own == task)
        if not cursor:
            return list(found)


async def live_jobs(
    connection: Connection, task: str | None, limit: int, state: State | None = None
) -> list[JobInfo]:
    """Jobs that run, are ready, wait, or have just ended; running first. With `state`, at least those."""
    found: list[JobInfo] = []
    for queue in await list_queues(connection):
        keys = QueueKeys(queue)
        names = sorted(await connection.command("hkeys", keys["tasks"]))
        wanted = [name for name in names if task in (None, name)]
        if state is State.RUNNING:
            tasks = await _running(connection, keys, wanted, limit)
        else:
            tasks = await _known(connection, keys, wanted, limit, state)
        found += await _jobs(connection, keys, tasks)
    rank = {State.RUNNING: 0, State.QUEUED: 1, State.RETRYING: 2, State.SCHEDULED: 2}
    found = [job for job in found if task in (None, job.task)]
    found.sort(key=lambda job: (rank.get(job.state, 3), -(job.ended or job.due).timestamp()))
    return found[:limit]


async def _known(
    connection: Connection, keys: QueueKeys, names: Sequence[str], limit: int, state: State | None
) -> dict[str, str]:
    """Ids of jobs in streams, in `later`, and of the latest outcomes, each with its task if that is known.

    With `state` only where jobs of that state are.
    """
    pipe = connection.pipeline()
    if state in (None, State.RETRYING, State.SCHEDULED):
        pipe.zrange(keys["later"], 0, _PAGE - 1)
    waiting, streams = len(pipe), names if state in (None, State.QUEUED) else ()
    for name in streams:
        pipe.xrange(keys.of("stream", name), count=limit)
    for name in names if state is None or state in FINAL else ():
        pipe.lrange(keys.of("recent", name), 0, -1)
    replies = [[] if isinstance(r, Exception) else r for r in await connection.execute_each(pipe)]
    tasks: dict[str, str] = dict.fromkeys(replies[0], "") if waiting else {}
    first = waiting + len(streams)
    for name, stream in zip(streams, replies[waiting:first], strict=True):
        tasks |= dict.fromkeys([entry["job"] for _, entry in stream if "job" in entry], name)
    return tasks | _ended(dict(zip(names, replies[first:], strict=False)), limit, state)


def _ended(recent: Mapping[str, Sequence[str]], limit: int, state: State | None) -> dict[str, str]:
    """The latest outcomes of all tasks, more than the limit: a list is by due time, these are by the end."""
    runs = [(run, name) for name, texts in recent.items() for run in map(recent_run, texts) if run]
    found = [(run.ended, run.job, name) for run, name in runs if state in (None, run.state)]
    return {job: name for _, job, name in heapq.nlargest(_ENDED_A_LIMIT * limit, found)}


async def log_behind(
    connection: Connection, queue: str, id: str, position: str
) -> tuple[str, Sequence[LogLine]]:
    """`log_since` without waiting; none where the key holds something else."""
    pipe = connection.pipeline()
    pipe.xrange(QueueKeys(queue).of("log", id), f"({position}")
    (chunks,) = await connection.execute_each(pipe)
    if isinstance(chunks, Exception) or not chunks:
        return position, ()
    return chunks[-1][0], log_lines(chunks)


async def _running(
    connection: Connection, keys: QueueKeys, names: Sequence[str], limit: int
) -> dict[str, str]:
    """Ids of jobs that workers have claimed, and of open runs of external tasks, each with its task."""
    pipe = connection.pipeline()
    for name in names:
        pipe.hvals(keys.of("open", name))
    open_runs = zip(names, await connection.execute_each(pipe), strict=True)
    elsewhere = {id: name for name, ids in open_runs if not isinstance(ids, Exception) for id in ids}
    return elsewhere | await Lists(connection, keys).list_running(names, limit)


async def log_since(
    connection: Connection, queue: str, id: str, position: str, block_ms: int
) -> tuple[str, list[LogLine]]:
    """Lines that a live job has logged after a position in its log stream, and the new position.

    Waits up to `block_ms` for the first; 0 does not wait.
    """
    key = QueueKeys(queue).of("log", id)
    reply = await connection.command("xread", {key: position}, block=block_ms or None)
    chunks = reply[0][1] if reply else []
    return (chunks[-1][0] if chunks else position), list(log_lines(chunks))


async def _jobs(connection: Connection, keys: QueueKeys, tasks: Mapping[str, str]) -> list[JobInfo]:
    """Those of these jobs that Redis has; each with the queue that it was found in."""
    pipe = connection.pipeline()
    for id in tasks:
        pipe.hgetall(keys.of("job", id))
    found = zip(tasks.items(), await connection.execute_each(pipe), strict=True)
    return [job_info(keys.queue, id, fields, task=task) for (id, task), fields in found if fields]
