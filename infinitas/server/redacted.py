"""Records as the API shows them: without hidden arguments, and without their values in other texts."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from pydantic_core import from_json, to_json

from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import ServerUnreachable
from infinitas.core.records import (
    AttemptInfo,
    JobInfo,
    LogLine,
    ScheduleInfo,
    TaskInfo,
    TaskLine,
    check_payloads,
)
from infinitas.core.redaction import HIDDEN, hidden_values, hide, mask, mask_value, redact
from infinitas.wire.jobs import JobView
from infinitas.wire.schedules import ScheduleView
from infinitas.wire.tasks import TaskView

Paths = Mapping[str, Sequence[str]]


async def view_jobs(client: RedisClient, jobs: Sequence[JobInfo]) -> list[JobView]:
    """Raises ServerUnreachable."""
    return [JobView.of(job) for job in await hide_jobs(client, jobs)]


async def view_job(client: RedisClient, job: JobInfo) -> JobView:
    return (await view_jobs(client, [job]))[0]


async def hide_jobs(client: RedisClient, jobs: Sequence[JobInfo]) -> list[JobInfo]:
    """Jobs as they may be shown. Raises ServerUnreachable."""
    readable = [check_payloads(job) for job in jobs]
    hidden = await _hidden(client, (job.task for job in readable))
    return [_without_secrets(job, hidden.get(job.task, ())) for job in readable]


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


def kind_of_error(error: str) -> str:
    """An error without its text, which may quote arguments that are not at hand: `ValueError: ***`."""
    kind, colon, _ = error.partition(":")
    return f"{kind}: {HIDDEN}" if colon and kind.isidentifier() else HIDDEN


def _without_secrets(job: JobInfo, paths: Sequence[str]) -> JobInfo:
    """The paths that held when the job was made, and those that hold now."""
    if not job.args:
        return job
    before = positional, named = from_json(job.args)
    after = redact(positional, named, [*dict.fromkeys((*job.redact, *paths))])
    values = hidden_values(before, after)
    if not values:
        return replace(job, args=to_json(after).decode())

    def text(shown: str | None) -> str | None:
        return mask(shown, values) if shown else shown

    def payload(shown: str | None) -> str | None:
        return to_json(mask_value(from_json(shown), values)).decode() if shown else shown

    return replace(
        job,
        args=to_json(after).decode(),
        error=text(job.error),
        traceback=text(job.traceback),
        step=text(job.step),
        result=payload(job.result),
        checkpoint=payload(job.checkpoint),
        headers={name: mask(value, values) for name, value in job.headers.items()},
        log=tuple(_line(line, values) for line in job.log),
        attempts=tuple(_attempt(attempt, values) for attempt in job.attempts),
    )


def _line(line: LogLine, values: set[str]) -> LogLine:
    return replace(line, text=mask(line.text, values))


def _attempt(attempt: AttemptInfo, values: set[str]) -> AttemptInfo:
    error, traceback = (mask(text, values) if text else text for text in (attempt.error, attempt.traceback))
    return replace(attempt, error=error, traceback=traceback)


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
