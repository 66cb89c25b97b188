"""Infinitas: an application-level cron you can trust. See README.md and docs/."""

from infinitas.app import Infinitas
from infinitas.core.errors import (
    AlreadyEnded,
    AlreadySucceeded,
    BadArgs,
    BadName,
    BadSchedule,
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
    NotEnded,
    NotInTime,
    PayloadTooLarge,
    Retry,
    ServerUnreachable,
    UnknownJob,
    UnknownTask,
)
from infinitas.core.interval import every
from infinitas.core.records import AttemptInfo, JobInfo, JobSummary, LogLine, TaskInfo, WorkerInfo
from infinitas.core.verdict import Verdict
from infinitas.handle import Handle
from infinitas.job import Job
from infinitas.plugin import Plugin
from infinitas.task import Task

__all__ = [
    "AlreadyEnded",
    "AlreadySucceeded",
    "AttemptInfo",
    "BadArgs",
    "BadName",
    "BadSchedule",
    "ConfigError",
    "DuplicateTask",
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
    "NotEnded",
    "NotInTime",
    "PayloadTooLarge",
    "Plugin",
    "Retry",
    "ServerUnreachable",
    "Task",
    "TaskInfo",
    "UnknownJob",
    "UnknownTask",
    "Verdict",
    "WorkerInfo",
    "every",
]
__version__ = "0.1.0"
