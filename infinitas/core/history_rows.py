"""The rows of the archive: what a batch of events makes true.

A row's fields are the columns of its table, or the parameters of its statement, by name and in order.
"""

from dataclasses import dataclass
from datetime import datetime

from infinitas.core.events import UNREADABLE, Event

Text = str | None
Moment = datetime | None


@dataclass(slots=True, kw_only=True)
class JobRow:
    """A row of infinitas_jobs. In a batch, None means: the batch doesn't change it.

    Attributes:
        due_at: a slot's time, or when the job was sent; it never changes.
        version: grows with every event; an older version changes nothing.
        args, headers, redact, result: JSON text.
        was: the state before the last change; in a batch `revived` or None.
        was_reason, was_started: its reason, and whether the job had begun; in a batch None.
    """

    id: str
    due_at: datetime
    task: str
    queue: str
    version: int = 0
    state: str = ""
    reason: Text = None
    attempt: int | None = None
    schedule: Text = None
    args: Text = None
    headers: Text = None
    key: Text = None
    redact: Text = None
    worker: Text = None
    error: Text = None
    result: Text = None
    created_at: Moment = None
    started_at: Moment = None
    ended_at: Moment = None
    expires_at: Moment = None
    was: Text = None
    was_reason: Text = None
    was_started: bool | None = None


@dataclass(slots=True, kw_only=True)
class AttemptRow:
    """A row of infinitas_attempts; without `outcome` it runs."""

    job_id: str
    due_at: datetime
    attempt: int
    worker: Text = None
    outcome: Text = None
    reason: Text = None
    error: Text = None
    traceback: Text = None
    started_at: Moment = None
    ended_at: Moment = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """A row of infinitas_job_logs."""

    job_id: str
    due_at: datetime
    attempt: int
    seq: int
    at: datetime
    level: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A declared task; `definition` is JSON text, None for one that was removed."""

    name: str
    queue: str
    definition: Text
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """A declared schedule; one without a definition was removed or is over.

    Attributes:
        stored: Redis has it, also if it is over.
        keeps_runs, keeps_skips: whether its counted runs, and the skips that are left, go on.
        runs: where the count of runs begins, if it does not go on.
    """

    key: str
    queue: str
    task: Text
    definition: Text
    active: bool
    stored: bool
    keeps_runs: bool
    runs: int
    keeps_skips: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRow:
    """An event of a schedule that is no job: paused, missed, late and the like; `facts` is a JSON object."""

    at: datetime
    queue: str
    schedule: str
    what: str
    facts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A write through the server: `actor` is the token's name, `changes` a JSON object."""

    at: datetime
    actor: str
    action: str
    target: str
    reason: str
    origin: str
    changes: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneJob:
    """A job whose hash is gone from Redis: it ends, whatever its due time."""

    id: str
    version: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event that the tables can't hold, unchanged, and why."""

    event: Event
    error: str

    @property
    def kind(self) -> str:
        """The event's kind, also if nothing else of the entry can be read."""
        kind = self.event.kind
        return kind if kind != UNREADABLE else self.event.fields.get("type", kind)
