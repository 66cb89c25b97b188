"""Records as the API shows them: without the arguments that their task hides."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic_core import from_json, to_json

from infinitas.client.redis_client import RedisClient
from infinitas.core.records import JobInfo, ScheduleInfo, TaskInfo, check_payloads
from infinitas.core.redaction import redact
from infinitas.core.schedule import Schedule
from infinitas.wire.jobs import JobView
from infinitas.wire.schedules import ScheduleView
from infinitas.wire.tasks import TaskView


async def view_jobs(client: RedisClient, jobs: Sequence[JobInfo]) -> list[JobView]:
    """Raises ServerUnreachable."""
    readable = [check_payloads(job) for job in jobs]
    hidden = await _hidden(client, (job.task for job in readable))
    return [JobView.of(replace(job, args=hide(job.args, hidden.get(job.task, ())))) for job in readable]


async def view_job(client: RedisClient, job: JobInfo) -> JobView:
    return (await view_jobs(client, [job]))[0]


async def view_schedules(client: RedisClient, schedules: Sequence[ScheduleInfo]) -> list[ScheduleView]:
    """Raises ServerUnreachable."""
    hidden = await _hidden(client, (info.schedule.task for info in schedules))
    found = []
    for info in schedules:
        paths = hidden.get(info.schedule.task)
        found.append(ScheduleView.of(replace(info, schedule=_hide(info.schedule, paths)) if paths else info))
    return found


async def view_schedule(client: RedisClient, info: ScheduleInfo) -> ScheduleView:
    return (await view_schedules(client, [info]))[0]


def hide(args: str, paths: Sequence[str]) -> str:
    """Stored arguments without the values at these paths."""
    if not paths or not args:
        return args
    positional, named = from_json(args)
    return to_json(redact(positional, named, paths)).decode()


def _hide(rule: Schedule, paths: Sequence[str]) -> Schedule:
    return replace(rule, args=hide(rule.args, paths))


async def _hidden(client: RedisClient, tasks: Iterable[str]) -> dict[str, Sequence[str]]:
    definitions = await client.definitions(sorted(set(tasks)))
    return {name: definition.redact for name, definition in definitions.items() if definition.redact}


def view_task(info: TaskInfo) -> TaskView:
    hidden = info.definition.redact
    rules = tuple(_hide(rule, hidden) for rule in info.schedules)
    return TaskView.of(replace(info, schedules=rules))
