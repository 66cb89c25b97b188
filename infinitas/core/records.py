"""Frozen records of tasks, jobs, schedules and workers, as callers get them.

`unreadable` names the fields that could not be read, and why; None if all could. Those fields have a
neutral value: `due` 1970, `state` failed, no arguments, and so on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import from_json

from infinitas.core.job_arguments import fault_of_args, from_text, show_args
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_records import Pause
from infinitas.core.states import State
from infinitas.core.task_definition import TaskDefinition

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """One line about a job: `date` is its end, or its start while it runs."""

    id: str
    date: datetime
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRun:
    """One of the last ten finished jobs of a task."""

    job: str
    state: State
    ended: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """What a task and a line of a list of tasks have in common: the summary.

    Attributes:
        streak: how many jobs in a row had the same end: positive for successes, negative for failures.
        recent: the last ten finished jobs, oldest first; in a list only if they were asked for.
        next_slot: the earliest next slot of the task's schedules.
        queued: ready jobs that no worker has claimed; `running`: claimed jobs.
        has_worker: whether a live worker can run the task now.
        paused: its jobs are not claimed meanwhile: the pause of the task, else that of its queue.
        external: its jobs are runs elsewhere, which pings report; it needs no worker.
    """

    name: str
    queue: str
    last_job: JobSummary | None = None
    last_success: JobSummary | None = None
    last_failure: JobSummary | None = None
    last_error: str | None = None
    streak: int = 0
    recent: tuple[RecentRun, ...] = ()
    next_slot: datetime | None = None
    queued: int = 0
    running: int = 0
    has_worker: bool = False
    external: bool = False
    paused: Pause | None = None
    unreadable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine(TaskState):
    """A task in a list.

    Attributes:
        rules: its schedules as text, those with the earliest next slot first.
        hides: it has arguments that the server hides.
    """

    doc: str = ""
    rules: tuple[str, ...] = ()
    hides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo(TaskState):
    """A task as stored, with its summary."""

    definition: TaskDefinition
    schedules: tuple[Schedule, ...] = ()

    @property
    def doc(self) -> str:
        """The first line of the processor's docstring."""
        return self.definition.doc

    @property
    def options(self) -> "dict[str, JsonValue]":
        """All options (docs/tasks.md), as a worker declares them."""
        options = self.definition.options
        options.pop("parameters", None)
        return options

    @property
    def parameters(self) -> "JsonValue":
        """JSON Schema of the arguments; None if no worker has declared one."""
        return from_text(self.definition.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCounts:
    """How many jobs of a task have ever succeeded, and failed for good."""

    name: str
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalTaskInfo:
    """A task whose jobs are made by pings; `token_made`: None without a token."""

    task: TaskInfo
    token_made: datetime | None

    @property
    def schedule(self) -> Schedule | None:
        """Its one schedule."""
        return next((each for each in self.task.schedules if each.key == self.task.name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRemoval:
    """What the removal of a task ends: its schedules, jobs that wait or run. `has_worker` forbids it."""

    task: str
    queue: str
    schedules: tuple[str, ...]
    waiting: int
    running: int
    has_worker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """`slots` become jobs, at most `limit` at a time; `known` more slots have a job already."""

    slots: tuple[datetime, ...]
    known: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that a job logged."""

    at: datetime
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptInfo:
    """One attempt, from the archive. `outcome`: running, succeeded, failed, cancelled, lost, released."""

    attempt: int
    outcome: str
    worker: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    reason: str | None = None
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A write through the server: `actor` is the token's name, `origin` the address it came from."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    reason: str
    origin: str
    changes: str | None
    """JSON object: field → `[before, after]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Selects entries; None matches all. `q` is part of any text of an entry, in either case."""

    target: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    q: str | None = None


COUNTED_S = 900
"""The archive keeps counts of ended jobs in parts of so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which jobs to count: those due in `[since, until)`, of one task or all."""

    task: str | None
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class PauseNote:
    """A schedule was paused, or resumed; `record` is the pause's JSON: reason, since, until."""

    schedule: str
    paused: bool
    at: datetime
    record: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """How many jobs a queue holds.

    Attributes:
        queued: ready and not claimed; `running`: claimed; `waiting`: for their time.
        oldest: when the oldest job in a stream became ready.
        events: events that are not archived yet.
        paused: its jobs are not claimed meanwhile.
        came, ended: jobs a minute, the mean of about five minutes, as archived; None without an archive.
    """

    name: str
    tasks: int
    queued: int
    running: int
    waiting: int
    oldest: datetime | None
    events: int
    came: float | None = None
    ended: float | None = None
    paused: Pause | None = None
    unreadable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """A job in any state.

    Attributes:
        args_json: the arguments as JSON text `[positional, named]`; `args` has their values.
        result_json, checkpoint_json: JSON text; `result` and `checkpoint` have the values.
        ready: when the next attempt begins, while the job waits for one.
        redact: paths of arguments that the server hides, as the task had them when the job was made.
        crashes: how many workers died while they ran it.
        rejections: worker → why it has rejected the job, while Redis has it.
        attempts: all attempts, if there is an archive.
    """

    id: str
    task: str
    state: State
    attempt: int
    args_json: str
    due: datetime
    queue: str = "default"
    reason: str | None = None
    schedule: str | None = None
    created: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    worker: str | None = None
    error: str | None = None
    traceback: str | None = None
    result_json: str | None = None
    progress: float | None = None
    step: str | None = None
    checkpoint_json: str | None = None
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    redact: tuple[str, ...] = ()
    ready: datetime | None = None
    crashes: int = 0
    rejections: Mapping[str, str] = field(default_factory=dict)
    attempts: tuple[AttemptInfo, ...] = ()
    log: tuple[LogLine, ...] = ()
    unreadable: str | None = None

    @property
    def args(self) -> "JsonValue":
        """A list, or a dict where all are named; where both are given, `positional` and `named`."""
        return show_args(self.args_json)

    @property
    def result(self) -> "JsonValue":
        """What the processor returned, as plain JSON; None as well if there is none."""
        return from_text(self.result_json)

    @property
    def checkpoint(self) -> "JsonValue":
        """The last checkpoint; None as well if there is none."""
        return from_text(self.checkpoint_json)

    @property
    def duration(self) -> float | None:
        """Seconds from the last attempt's start to the end."""
        if self.started is None or self.ended is None:
            return None
        return round((self.ended - self.started).total_seconds(), 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A live worker; `last_beat` is its last heartbeat by the clock of Redis.

    `stops`: it claims no more jobs, and leaves when those that it runs have ended.
    """

    id: str
    host: str
    pid: int
    version: str
    started: datetime
    last_beat: datetime
    capacity: int
    busy: int
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    stops: bool = False
    unreadable: str | None = None


def check_payloads(job: JobInfo) -> JobInfo:
    """The job, with neutral values for arguments, result or checkpoint that are not JSON."""
    faults: dict[str, str] = {}
    if fault := fault_of_args(job.args_json or EMPTY_ARGS):
        faults["args"] = fault
    for name in ("result", "checkpoint"):
        try:
            from_json(getattr(job, f"{name}_json") or "null", allow_inf_nan=False)
        except ValueError as error:
            faults[name] = str(error)[:200]
    if not faults:
        return job
    reasons = [job.unreadable, *(f"{name}: {why}" for name, why in faults.items())]
    neutral = {f"{name}_json": EMPTY_ARGS if name == "args" else None for name in faults}
    return replace(job, **neutral, unreadable="; ".join(filter(None, reasons)))  # type: ignore[arg-type]
