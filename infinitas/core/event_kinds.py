"""Every event kind, with its fields and the side that names it.

A field is listed as a reader gets it: an entry of several jobs is one event for each of them.
"""

from enum import Enum, StrEnum


class Side(Enum):
    """Where the kind of an event is named."""

    SCRIPT = "script"
    """A Lua script, as part of a change."""
    PYTHON = "python"
    """Python, which passes it to `amiss.lua` or `audit.lua`."""


_JOB = "job task due"
_ATTEMPT = f"{_JOB} attempt worker started"


class EventKind(StrEnum):
    """A kind is a string: `job.created`. Fields: those always there, then those that may be there."""

    side: Side
    required: frozenset[str]
    optional: frozenset[str]

    def __new__(cls, value: str, required: str, optional: str = "", side: Side = Side.SCRIPT) -> "EventKind":
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.side = side
        kind.required = frozenset(required.split())
        kind.optional = frozenset(optional.split())
        return kind

    JOB_CREATED = "job.created", f"{_JOB} args", "state schedule headers key redact expires"
    """A job was accepted or fired; without `state` it is queued."""
    JOB_QUEUED = "job.queued", _JOB
    """A waiting job became ready."""
    JOB_RUNNING = "job.running", _ATTEMPT
    """A worker claimed the job."""
    JOB_SUCCEEDED = "job.succeeded", _ATTEMPT, "result"
    JOB_FAILED = "job.failed", _JOB, "attempt worker started reason error traceback"
    JOB_CANCELLED = "job.cancelled", _JOB, "attempt worker started reason error traceback"
    JOB_SKIPPED = "job.skipped", f"{_JOB} reason", "schedule args"
    """A slot was left out on purpose, or a job expired."""
    JOB_MISSED = "job.missed", f"{_JOB} reason", "schedule args"
    """A slot was not fired in time, or had no ping."""
    JOB_RETRYING = "job.retrying", _ATTEMPT, "reason error traceback"
    """An attempt failed; another follows."""
    JOB_RELEASED = "job.released", _ATTEMPT, "error"
    """A worker stopped, or rejected the job (`error` has why); the attempt is not charged."""
    JOB_LOST = "job.lost", f"{_ATTEMPT} error"
    """The worker died; the job is queued again."""
    JOB_REVIVED = "job.revived", f"{_JOB} was"
    """A person gave an ended job new tries; `was` is its former state."""
    JOB_WAITING = "job.waiting", f"{_JOB} reason rung"
    """No live worker has the task; the job is offered again later."""
    JOB_CANCELLING = "job.cancelling", f"{_JOB} reason worker"
    """The worker of a running job was notified to cancel it."""
    JOB_STALE = "job.stale", f"{_JOB} attempt worker reported"
    """The outcome of an attempt that is not current was refused."""
    JOB_LOGGED = "job.logged", f"{_JOB} attempt lines"

    JOB_MOVED = "job.moved", f"{_JOB} args state", "schedule headers key created redact expires"
    """The job came from the queue, or the name, that its task had before."""

    TASK_DECLARED = "task.declared", "task definition"
    TASK_MOVED = "task.moved", "task target"
    """The task lives in another queue, or under another name, from now on."""
    TASK_REMOVED = "task.removed", "task"
    TASK_PAUSED = "task.paused", "task record"
    """Its jobs are not claimed until `task.resumed`; an empty task stands for the whole queue."""
    TASK_RESUMED = "task.resumed", "task"
    TASK_UNSERVED = "task.unserved", "task"
    """The last worker that had the task is gone."""

    SCHEDULE_DECLARED = "schedule.declared", "schedule task definition keeps", "runs"
    """`keeps`: which counts go on: `skips`, `runs skips` or none; `runs`: where the count of jobs begins."""
    SCHEDULE_REMOVED = "schedule.removed", "schedule"
    SCHEDULE_ENDED = "schedule.ended", "schedule task kept"
    """The schedule has no more slots; `kept` is 1 if Redis still has it."""
    SCHEDULE_PAUSED = "schedule.paused", "schedule record"
    SCHEDULE_RESUMED = "schedule.resumed", "schedule", "reason"
    SCHEDULE_SKIP_NEXT = "schedule.skip_next", "schedule count"
    SCHEDULE_BACKFILLED = "schedule.backfilled", "schedule slots"
    SCHEDULE_MISSED = "schedule.missed", "schedule slot state", "job"
    """A slot was not fired, or its job not started, in time."""
    SCHEDULE_LATE = "schedule.late", "schedule slot state job"
    """A slot's job did not succeed within the schedule's `grace`."""
    SCHEDULE_CLOCK_JUMPED = "schedule.clock_jumped", "schedule jump_ms"
    """The clock of Redis jumped; `schedule` is empty."""
    SCHEDULE_UNREADABLE = "schedule.unreadable", "schedule reason"
    SCHEDULE_DROPPED = "schedule.dropped", "schedule score"
    """A next slot that is no time was removed."""

    WORKER_JOINED = "worker.joined", "worker tasks"
    WORKER_LEFT = "worker.left", "worker"
    WORKER_LOST = "worker.lost", "worker"

    QUEUE_MENDED = "queue.mended", "counts names"
    """The reconciler moved on jobs that some part of Redis had lost."""
    QUEUE_RESTORING = "queue.restoring", "position"
    """Redis lacks data that the archive has, up to that position, and gets it back."""
    QUEUE_RESTORED = "queue.restored", "counts"
    """Redis has that data again; slots are fired and jobs claimed."""
    ENTRY_WITHOUT_JOB = "entry.without_job", "job task"
    """A stream or `later` named a job whose hash is gone."""
    ENTRY_REFUSED = "entry.refused", "job task error"
    """A job could not be moved on and left its stream."""

    ARCHIVE_DROPPED = "archive.dropped", "entries"
    """Unread events were dropped, because Redis may keep no more."""
    ARCHIVE_BEHIND = "archive.behind", "what facts", "", Side.PYTHON
    """A reader has not followed the events for some time."""
    ARCHIVE_CAUGHT_UP = "archive.caught_up", "what facts", "", Side.PYTHON
    ARCHIVE_GAP = "archive.gap", "what facts", "", Side.PYTHON
    """Events were dropped that a reader had not read."""
    ARCHIVE_GAP_PASSED = "archive.gap_passed", "what facts", "", Side.PYTHON
    REDIS_AMISS = "redis.amiss", "what facts", "", Side.PYTHON
    """Redis is nearly full, or may lose jobs by its settings."""
    REDIS_WELL = "redis.well", "what facts", "", Side.PYTHON
    SYSTEM_AMISS = "system.amiss", "what facts", "", Side.PYTHON
    """A check of `infinitas doctor` that no other event reports has found something."""
    SYSTEM_WELL = "system.well", "what facts", "", Side.PYTHON

    AUDIT = "audit.*", "actor target reason origin", "changes", Side.PYTHON
    """A write through the server; `*` is the route's name."""


AUDIT_PREFIX = EventKind.AUDIT.removesuffix("*")
