"""Infinitas: an application-level cron you can trust. See README.md and docs/."""

from infinitas.app.app import Infinitas
from infinitas.app.preview import preview
from infinitas.core.errors import (
    AlreadyEnded,
    AlreadySucceeded,
    BacklogFull,
    BadArgs,
    BadName,
    BadResult,
    BadSchedule,
    BlocksEventLoop,
    ConfigError,
    DuplicateTask,
    InfinitasError,
    JobCancelled,
    JobDone,
    JobEnded,
    JobFailed,
    JobLost,
    JobSkipped,
    JobTimedOut,
    KeyTaken,
    NameTaken,
    NoEventLoop,
    NotEnded,
    NotInTime,
    PayloadTooLarge,
    Retry,
    ServerUnreachable,
    StillServed,
    UnknownJob,
    UnknownSchedule,
    UnknownTask,
)
from infinitas.core.interval import every
from infinitas.core.records import (
    AttemptInfo,
    Backfill,
    JobInfo,
    JobSummary,
    LogLine,
    TaskInfo,
    TaskLine,
    WorkerInfo,
)
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.core.schedule_preview import Preview, PreviewSlot
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.core.verdict import Verdict
from infinitas.runtime.version import VERSION
from infinitas.tasks.collection import Tasks
from infinitas.tasks.current_job import current_job
from infinitas.tasks.handle import Handle, agather, gather
from infinitas.tasks.job import Job
from infinitas.tasks.plugins import Plugin
from infinitas.tasks.task import Task

__all__ = [
    "AlreadyEnded",
    "AlreadySucceeded",
    "AttemptInfo",
    "Backfill",
    "BacklogFull",
    "BadArgs",
    "BadName",
    "BadResult",
    "BadSchedule",
    "BlocksEventLoop",
    "ConfigError",
    "DuplicateTask",
    "Entry",
    "Handle",
    "Infinitas",
    "InfinitasError",
    "Job",
    "JobCancelled",
    "JobDone",
    "JobEnded",
    "JobFailed",
    "JobInfo",
    "JobLost",
    "JobSkipped",
    "JobSummary",
    "JobTimedOut",
    "KeyTaken",
    "LogLine",
    "NameTaken",
    "NoEventLoop",
    "NotEnded",
    "NotInTime",
    "PayloadTooLarge",
    "Plugin",
    "Preview",
    "PreviewSlot",
    "Retry",
    "ScheduleInfo",
    "ScheduleOptions",
    "ServerUnreachable",
    "StillServed",
    "Task",
    "TaskInfo",
    "TaskLine",
    "Tasks",
    "UnknownJob",
    "UnknownSchedule",
    "UnknownTask",
    "Verdict",
    "WorkerInfo",
    "agather",
    "current_job",
    "every",
    "gather",
    "preview",
]
__version__ = VERSION
