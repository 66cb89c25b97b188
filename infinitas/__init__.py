"""Infinitas: an application-level cron you can trust. See README.md and docs/."""

from infinitas.app import Infinitas
from infinitas.core.errors import (
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
    JobTimedOut,
    PayloadTooLarge,
    ServerUnreachable,
    UnknownJob,
    UnknownTask,
)
from infinitas.core.interval import every
from infinitas.core.records import JobInfo, JobSummary, LogLine, TaskInfo, WorkerInfo
from infinitas.job import Job
from infinitas.task import Task

__all__ = [
    "BadArgs",
    "BadName",
    "BadSchedule",
    "ConfigError",
    "DuplicateTask",
    "Infinitas",
    "InfinitasError",
    "Job",
    "JobCancelled",
    "JobDone",
    "JobEnded",
    "JobFailed",
    "JobInfo",
    "JobLost",
    "JobSummary",
    "JobTimedOut",
    "LogLine",
    "PayloadTooLarge",
    "ServerUnreachable",
    "Task",
    "TaskInfo",
    "UnknownJob",
    "UnknownTask",
    "WorkerInfo",
    "every",
]
__version__ = "0.1.0"
