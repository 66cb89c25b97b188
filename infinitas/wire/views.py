"""What the API shows: tasks, schedules, jobs. Times are RFC 3339 in UTC, durations seconds."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic_core import from_json

from infinitas.core.codec import from_ms
from infinitas.core.records import JobInfo, JobSummary, ScheduleInfo, TaskInfo
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.states import State


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _json(text: str | None) -> JsonValue:
    value: JsonValue = from_json(text) if text else None
    return value


def _args(text: str) -> JsonValue:
    """A list, or an object where there are only named arguments; both where there are both."""
    given: tuple[list[JsonValue], dict[str, JsonValue]] = from_json(text or EMPTY_ARGS)
    positional, named = given
    if positional and named:
        return {"positional": positional, "named": named}
    return named or positional


class _Shown(BaseModel):
    """Fields are read from the record's attributes of the same names."""

    model_config = ConfigDict(from_attributes=True)


class LastJob(BaseModel):
    id: str
    at: datetime
    status: str

    @classmethod
    def of(cls, summary: JobSummary | None) -> Self | None:
        return cls(id=summary.id, at=summary.date, status=summary.status) if summary else None


class RuleView(BaseModel):
    """What a schedule says; durations in seconds."""

    key: str
    task: str
    rule: str
    cron: str | None
    every: float | None
    anchor: datetime | None
    """Where an interval counts from."""
    at: datetime | None
    timezone: str
    dst: str
    args: JsonValue
    origin: str
    overridden: bool
    overlap: str
    catch_up: str
    catch_up_window: float | None
    catch_up_limit: int
    jitter: float
    start: datetime | None
    end: datetime | None
    max_runs: int | None
    grace: float | None

    @classmethod
    def of_rule(cls, rule: Schedule, /, **state: object) -> Self:
        fields: dict[str, object] = {
            "key": rule.key,
            "task": rule.task,
            "rule": rule.rule_text,
            "cron": rule.cron,
            "every": _seconds(rule.every_ms),
            "anchor": _moment(rule.anchor_ms) if rule.every_ms else None,
            "at": _moment(rule.at_ms),
            "timezone": rule.timezone,
            "dst": rule.dst,
            "args": _args(rule.args),
            "origin": rule.origin,
            "overridden": rule.overridden,
            "overlap": rule.overlap,
            "catch_up": rule.catch_up,
            "catch_up_window": _seconds(rule.catch_up_window_ms),
            "catch_up_limit": rule.catch_up_limit,
            "jitter": rule.jitter_ms / 1000,
            "start": _moment(rule.start_ms),
            "end": _moment(rule.end_ms),
            "max_runs": rule.max_runs,
            "grace": _seconds(rule.grace_ms),
        }
        return cls.model_validate({**fields, **state})


class OutcomeView(_Shown):
    job: str
    state: State
    ended: datetime
    duration_ms: int


class TaskView(BaseModel):
    name: str
    queue: str
    doc: str
    has_worker: bool
    queued: int
    running: int
    streak: int
    next_slot: datetime | None
    last_job: LastJob | None
    last_success: LastJob | None
    last_failure: LastJob | None
    last_error: str | None
    recent: list[OutcomeView]
    options: dict[str, JsonValue]
    """As a worker declares them (docs/tasks.md)."""
    schedules: list[RuleView]
    unreadable: str | None
    """What of it could not be read, and why; what it names has a neutral value."""

    @classmethod
    def of(cls, info: TaskInfo) -> Self:
        return cls(
            name=info.name,
            queue=info.queue,
            doc=info.definition.doc,
            has_worker=info.has_worker,
            queued=info.queued,
            running=info.running,
            streak=info.streak,
            next_slot=info.next_slot,
            last_job=LastJob.of(info.last_job),
            last_success=LastJob.of(info.last_success),
            last_failure=LastJob.of(info.last_failure),
            last_error=info.last_error,
            recent=[OutcomeView.model_validate(outcome) for outcome in info.recent],
            options=info.definition.options,
            schedules=[RuleView.of_rule(rule) for rule in info.schedules],
            unreadable=info.unreadable,
        )


class PauseView(_Shown):
    reason: str
    since: datetime
    until: datetime | None


class ScheduleView(RuleView):
    """A rule, and how it stands with it."""

    queue: str
    next_slot: datetime | None
    last_slot: datetime | None
    paused: PauseView | None
    skips: int
    runs: int
    live_job: str | None
    filling: int | None
    """Slots of a backfill that wait; null without one."""
    unreadable: str | None
    """What of it could not be read, and why; what it names has a neutral value."""

    @classmethod
    def of(cls, info: ScheduleInfo) -> Self:
        return cls.of_rule(
            info.schedule,
            queue=info.queue,
            next_slot=info.next_slot,
            last_slot=info.last_slot,
            paused=PauseView.model_validate(info.pause) if info.pause else None,
            skips=info.skips,
            runs=info.runs,
            live_job=info.live_job,
            filling=info.filling,
            unreadable=info.unreadable,
            **({"rule": "unreadable"} if info.unreadable else {}),
        )


class LineView(_Shown):
    at: datetime
    level: str
    text: str


class JobView(_Shown):
    id: str
    task: str
    queue: str
    state: State
    attempt: int
    args: Annotated[JsonValue, BeforeValidator(_args)]
    due: datetime
    schedule: str | None
    key: str | None
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    duration: Annotated[float | None, BeforeValidator(_seconds)] = Field(validation_alias="duration_ms")
    worker: str | None
    reason: str | None
    error: str | None
    traceback: str | None
    result: Annotated[JsonValue, BeforeValidator(_json)]
    progress: float | None
    step: str | None
    checkpoint: Annotated[JsonValue, BeforeValidator(_json)]
    headers: dict[str, str]
    ready: datetime | None
    crashes: int
    log: tuple[LineView, ...]
    unreadable: str | None
    """What of it could not be read, and why; what it names has a neutral value."""

    @classmethod
    def of(cls, info: JobInfo) -> Self:
        return cls.model_validate(info)
