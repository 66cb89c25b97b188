"""Why a job does not run yet: decided from what Redis has of the job, its task and the workers. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from infinitas.core.records import JobInfo
from infinitas.core.schedule_records import Pause
from infinitas.core.states import State


class Cause(StrEnum):
    """What a job waits for. None waits for the pause of a schedule: no job is created while it lasts."""

    SCHEDULED = "scheduled"
    """Its time: sent for later, or a slot's jitter."""
    PING = "ping"
    """A ping from elsewhere, until the grace of its slot is over."""
    OVERLAP = "overlap"
    """The end of the job `behind`, of an earlier slot of the same schedule."""
    RETRY_DELAY = "retry_delay"
    """The delay before its next attempt."""
    PAUSED = "paused"
    """The end of the pause of its task, or of its queue."""
    NO_WORKER = "no_worker"
    """A live worker that has the task; a slot's job fails at `until`, or is offered again."""
    MAX_RUNNING = "max_running"
    """The end of another job of the task, of which `limit` may run at once."""
    RATE = "rate"
    """The task's rate: `limit` jobs have begun in its period."""
    BUSY = "busy"
    """A free place: all workers that have the task run as many jobs as they can."""
    READY = "ready"
    """Nothing but the next claim of a worker; `ahead` jobs of the task come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a job waits.

    Attributes:
        since: when this wait began, as far as Redis shows it.
        until: when it ends, where that is known.
        ahead: ready jobs of the task that are claimed first, counted up to a limit; None if it is not ready.
        behind: the job whose end it waits for.
        limit: the number that the task's option allows.
    """

    code: Cause
    since: datetime | None
    until: datetime | None = None
    ahead: int | None = None
    behind: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What Redis has around a waiting job.

    Attributes:
        now: Redis' clock.
        timer: when the scheduler processes the job again.
        ready_since: when it became ready.
        behind: the job that it follows.
        served_until: until when a live worker is known to have the task; None: there was never one.
        running: jobs of the task that count against `max_running`.
        rate_until: when the rate allows the next start; None: now.
        free: how many more jobs the task's workers can take.
        wait: how long its delay is.
        external: its run is reported by pings.
        paused: the pause of its task, or of its queue.
    """

    now: datetime
    timer: datetime | None = None
    ready_since: datetime | None = None
    behind: str | None = None
    served_until: datetime | None = None
    running: int = 0
    max_running: int | None = None
    rate: int | None = None
    rate_until: datetime | None = None
    free: int = 0
    ahead: int = 0
    wait: timedelta | None = None
    external: bool = False
    paused: Pause | None = None


def why_waiting(job: JobInfo, facts: Facts) -> Waiting | None:
    """The cause that holds the job back first; None if it does not wait."""
    if job.state is State.SCHEDULED:
        if facts.external:
            return Waiting(code=Cause.PING, since=job.created, until=facts.timer)
        if facts.behind is not None:
            return Waiting(code=Cause.OVERLAP, since=job.created, behind=facts.behind)
        return Waiting(code=Cause.SCHEDULED, since=job.created, until=facts.timer or job.due)
    if job.state is State.RETRYING:
        began = job.ready - facts.wait if job.ready and facts.wait else None
        return Waiting(code=Cause.RETRY_DELAY, since=began, until=job.ready)
    return _why_queued(facts) if job.state is State.QUEUED else None


def _why_queued(facts: Facts) -> Waiting:
    since, ahead = facts.ready_since, facts.ahead
    if facts.paused is not None:
        begun = max(filter(None, (since, facts.paused.since)))
        return Waiting(code=Cause.PAUSED, since=begun, ahead=ahead)
    if facts.served_until is None or facts.served_until <= facts.now:
        lost = [each for each in (since, facts.served_until) if each is not None]
        return Waiting(code=Cause.NO_WORKER, since=max(lost, default=None), until=facts.timer, ahead=ahead)
    if facts.max_running is not None and facts.running >= facts.max_running:
        return Waiting(code=Cause.MAX_RUNNING, since=since, ahead=ahead, limit=facts.max_running)
    if facts.rate_until is not None and facts.rate_until > facts.now:
        return Waiting(code=Cause.RATE, since=since, until=facts.rate_until, ahead=ahead, limit=facts.rate)
    return Waiting(code=Cause.BUSY if facts.free <= 0 else Cause.READY, since=since, ahead=ahead)
