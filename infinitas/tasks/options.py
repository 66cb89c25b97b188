"""The options of `@app.task(...)`, for type checkers."""

from collections.abc import Mapping, Sequence
from typing import Literal

from infinitas.core.interval import Rule
from infinitas.core.schedule_options import ScheduleOptions


class TaskDefaults(ScheduleOptions, total=False):
    """Options that an app may give for all its tasks: `Infinitas(timezone="Europe/Copenhagen", timeout=60)`.

    `TaskDefinition` documents them and has their defaults, `ScheduleOptions` the others.
    retry_on, never_retry_on: an exception class, or several.
    """

    timeout: float | None
    soft_timeout: float | None
    runner: Literal["auto", "process"]
    isolate: Literal["worker", "job"]
    retries: int
    retry_delay: float
    backoff: Literal["exponential", "fixed"]
    retry_timeouts: bool
    give_up_after: float | None
    retry_on: Sequence[type[BaseException]] | type[BaseException]
    never_retry_on: Sequence[type[BaseException]] | type[BaseException]
    on_lost: Literal["retry", "fail"]
    no_processor: Literal["fail", "wait"]
    max_running: int | None
    rate: str | None
    expires: float | None
    priority: int
    result_ttl: float | None
    capture_print: bool
    redact: Sequence[str]
    notify: Sequence[str] | None
    notify_after: int | str
    slow_after: float | None
    owner: str
    runbook: str
    tags: Sequence[str]


class TaskOptions(TaskDefaults, total=False):
    """Those of one task.

    name: default: the function's. schedule: cron text or `every(...)`; args, kwargs: for its jobs.
    aliases: former names of the task.
    """

    name: str | None
    schedule: Rule | None
    args: Sequence[object]
    kwargs: Mapping[str, object] | None
    queue: str | None
    monitor: str | None
    takes_over: str | None
    aliases: Sequence[str]
    parameters: str
