"""An incident: one trouble of one subject, from its start to its recovery."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class IncidentKind(StrEnum):
    """What is wrong, the most urgent first. At most one incident of a kind is open for a subject."""

    FAILING = "failing"
    """Jobs of the task end as failed after their last attempt."""
    MISSED = "missed"
    """A slot of the task was not fired in time."""
    LATE = "late"
    """A slot's job did not succeed within the schedule's grace."""
    SLOW = "slow"
    """A job runs longer than its limit, or than a multiple of the usual duration."""
    TIMED_OUT = "timed_out"
    """Jobs of the task take longer than their timeout."""
    LOST = "lost"
    """A worker died, and the task runs at most once."""
    QUARANTINED = "quarantined"
    """The job's workers crashed too often."""
    NO_WORKER = "no_worker"
    """No live worker has the task."""
    BACKLOG = "backlog"
    """Ready jobs of the task wait too long, or too many of them wait."""
    WORKER_LOST = "worker_lost"
    """A worker was declared dead."""
    PAUSED_TOO_LONG = "paused_too_long"
    """A schedule is paused for long, without an end."""
    ARCHIVE_LAGGING = "archive_lagging"
    """A reader of the events stays behind, or has missed some."""
    SCHEDULE_INVALID = "schedule_invalid"
    """A schedule's stored rule can't be read."""
    REDIS_AMISS = "redis_amiss"
    """Redis is nearly full, or may lose jobs by its settings."""
    SYSTEM_AMISS = "system_amiss"
    """A check of `infinitas doctor` that is no other kind has found something."""
    CHANNEL_FAILING = "channel_failing"
    """Messages of a channel do not arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A row of `infinitas_incidents`."""

    id: str
    """Made of kind, subject and start, so that a repeated step names the same incident."""
    kind: IncidentKind
    subject: str
    """The task's name; for the kinds without a task the worker, schedule, queue or channel."""
    task: str | None
    opened_at: datetime
    last_at: datetime
    """The newest occurrence."""
    closed_at: datetime | None = None
    count: int = 1
    """Occurrences since the start: failed jobs, missed slots …"""
    job: str | None = None
    """The newest job that shows the trouble."""
    worker: str | None = None
    error: str | None = None
    """The newest error, or the cause in one sentence."""
    missed: int = 0
    """Slots that did not run while the incident was open."""
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    queue: str | None = None
    flapping: bool = False
    """It opened again and again: it stays open until it was calm for ten minutes."""
    calm_since: datetime | None = None
    """While it is flapping: the last recovery that no occurrence followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Selects incidents; None matches all."""

    open: bool | None = None
    task: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A channel was notified of an incident, by a rule; `waits`: a reason that no message has yet."""

    channel: str
    rule: str
    announced_at: datetime | None
    waits: str | None
    not_before: datetime | None
