"""What a message about a job or a task shows: arguments, last log lines, last success, next slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.reading import job_info, schedule_info, task_info
from infinitas.core.records import JobInfo, TaskInfo

LINES = 20
_AT_ONCE = 50
"""Jobs of one round trip: arguments may be large."""


@dataclass(frozen=True, slots=True)
class TroubleFacts:
    """What Redis still has; `job` with its last log lines."""

    task: TaskInfo | None = None
    job: JobInfo | None = None


async def trouble_facts(
    connection: Connection, queue: str, of: Sequence[tuple[str, str]]
) -> list[TroubleFacts]:
    """The facts for pairs of task and job, either of which may be ''. One round trip."""
    keys = QueueKeys(queue)
    pipe = connection.pipeline()
    for task, job in of:
        pipe.hget(keys["tasks"], task)
        pipe.hgetall(keys.of("task", task))
        pipe.hget(keys["schedules"], task)
        pipe.zscore(keys["due"], task)
        pipe.hgetall(keys.of("job", job))
        pipe.xrevrange(keys.of("log", job), count=LINES)
    replies = await connection.execute_each(pipe) if of else []
    return [
        _facts(queue, task, job, replies[place * 6 : place * 6 + 6]) for place, (task, job) in enumerate(of)
    ]


async def arguments_of(
    connection: Connection, queue: str, jobs: Sequence[str]
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Arguments, and the paths of secret ones, of those of these jobs that Redis still has."""
    keys, found = QueueKeys(queue), {}
    for start in range(0, len(jobs), _AT_ONCE):
        some = jobs[start : start + _AT_ONCE]
        pipe = connection.pipeline()
        for job in some:
            pipe.hmget(keys.of("job", job), "task", "args", "redact")
        for job, reply in zip(some, await connection.execute_each(pipe), strict=True):
            if isinstance(reply, list) and reply[0] is not None and reply[1] is not None:
                record = dict(zip(("task", "args", "redact"), reply, strict=True))
                found[job] = record["args"], job_info(queue, job, record).redact
    return found


def _facts(queue: str, task: str, job: str, replies: Sequence[Any]) -> TroubleFacts:
    definition, summary, rule, slot, record, chunks = replies
    found_task = found_job = None
    if task and isinstance(definition, str):
        row = (rule, *[None] * 6, slot, 0)
        infos = [schedule_info(queue, task, row)] if isinstance(rule, str) else []
        found_task = task_info(queue, task, definition, [summary, [], 0, {"pending": 0}], infos, False)
    if job and isinstance(record, dict) and record:
        lines = list(reversed(chunks)) if isinstance(chunks, list) else []
        found_job = job_info(queue, job, record, lines, task)
    return TroubleFacts(found_task, found_job)
