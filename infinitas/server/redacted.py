"""Records as the API shows them: without hidden arguments, and without their values in other texts."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import ServerUnreachable
from infinitas.core.job_secrets import kind_of_error, without_secrets
from infinitas.core.records import JobInfo, TaskInfo, TaskLine, check_payloads
from infinitas.core.redaction import hide
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.wire.jobs import JobView
from infinitas.wire.schedules import ScheduleView
from infinitas.wire.tasks import TaskView


async def view_jobs(client: RedisClient, jobs: Sequence[JobInfo]) -> list[JobView]:
    """Raises ServerUnreachable."""
    return [JobView.of(job) for job in await hide_jobs(client, jobs)]


async def view_job(client: RedisClient, job: JobInfo) -> JobView:
    return (await view_jobs(client, [job]))[0]


async def hide_jobs(client: RedisClient, jobs: Sequence[JobInfo]) -> list[JobInfo]:
    """Jobs as they may be shown. Raises ServerUnreachable."""
    readable = [check_payloads(job) for job in jobs]
    hidden = await _hidden(client, (job.task for job in readable))
    return [without_secrets(job, hidden.get(job.task, ())) for job in readable]


async def view_schedules(client: RedisClient, schedules: Sequence[ScheduleInfo]) -> list[ScheduleView]:
    """Raises ServerUnreachable."""
    hidden = await _hidden(client, (info.schedule.task for info in schedules))
    found = []
    for info in schedules:
        rule = info.schedule
        args = hide(rule.args, hidden.get(rule.task, ()))
        found.append(ScheduleView.of(replace(info, schedule=replace(rule, args=args))))
    return found


async def view_schedule(client: RedisClient, info: ScheduleInfo) -> ScheduleView:
    return (await view_schedules(client, [info]))[0]


def view_task(info: TaskInfo) -> TaskView:
    hidden = info.definition.redact
    rules = tuple(replace(rule, args=hide(rule.args, hidden)) for rule in info.schedules)
    error = kind_of_error(info.last_error) if hidden and info.last_error else info.last_error
    return TaskView.of(replace(info, schedules=rules, last_error=error))


def hide_lines(lines: Sequence[TaskLine]) -> list[TaskLine]:
    """Tasks of a list as they may be shown."""
    return [
        replace(line, last_error=kind_of_error(line.last_error)) if line.hides and line.last_error else line
        for line in lines
    ]


async def _hidden(client: RedisClient, tasks: Iterable[str]) -> dict[str, Sequence[str]]:
    """Paths by task: of its definition in Redis or, where that is gone, of the last one in the archive."""
    names = sorted(set(tasks))
    definitions = await client.definitions(names)
    found: dict[str, Sequence[str]] = {name: each.redact for name, each in definitions.items()}
    gone = [name for name in names if name not in definitions]
    if gone and client.archive is not None:
        # What comes from the archive came just now; without it a live job has its own paths.
        with suppress(ServerUnreachable):
            found |= await client.archive.tasks.redacted(gone)
    return found
