"""Arguments and results of the scripts, as records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from infinitas.core.codec import AFTER_LAST_MS, from_ms, json_text, to_ms
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import SUCCEEDED, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that an application sends.

    Attributes:
        args: JSON text.
        headers: context of the sender, kept with the job.
        key: no second live job of the task may have it.
        due: the job starts no earlier; None: now.
        delay_s: in place of `due`: seconds from now, by Redis' clock.
        expires_s: seconds after it is due at which it is skipped if it has not started.
    """

    id: str
    task: str
    args: str
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    due: datetime | None = None
    delay_s: float | None = None
    expires_s: float | None = None


def moment_of_score(score: str | float | None, *, nearest: bool = False) -> datetime | None:
    """The moment of a sorted set's score; None without one, and for a score that is none, as `inf` or 1.5.

    `nearest`: the nearest moment of our calendar instead of None.
    """
    if score is None or score == "":
        return None
    ms = float(score)
    if nearest:
        ms = min(max(ms, 0), AFTER_LAST_MS)
    elif not (ms.is_integer() and 0 <= ms < AFTER_LAST_MS):
        return None
    return from_ms(int(ms))


def encode_jobs(jobs: Sequence[NewJob]) -> str:
    """Jobs for `enqueue.lua`."""
    return json_text([_fields(job) for job in jobs])


def _fields(job: NewJob) -> dict[str, object]:
    fields: dict[str, object] = {"id": job.id, "task": job.task, "args": job.args}
    if job.headers:
        fields["headers"] = json_text(job.headers)
    if job.key is not None:
        fields["key"] = job.key
    if job.due is not None:
        fields["due"] = to_ms(job.due)
    if job.delay_s is not None:
        fields["delay"] = round(job.delay_s * 1000)
    if job.expires_s is not None:
        fields["expires"] = round(job.expires_s * 1000)
    return fields


@dataclass(slots=True, kw_only=True)
class ClaimedJob:
    """A job that this worker has claimed. Not frozen: one is made for each job, and that must be cheap.

    Attributes:
        args: JSON text; `checkpoint` too, if an earlier attempt left one.
        due_ms: its due time, in milliseconds since 1970.
        uncharged: attempts that don't count as tries.
        was_lost: the previous attempt ended with the death of its worker.
        age_s: seconds from its due time to this claim, by Redis' clock.
        running_s: seconds since this attempt was claimed.
    """

    id: str
    task: str
    attempt: int
    uncharged: int
    args: str
    due_ms: int
    schedule: str | None
    headers: Mapping[str, str]
    checkpoint: str | None
    was_lost: bool
    age_s: float
    running_s: float = 0.0

    @property
    def due(self) -> datetime:
        return from_ms(self.due_ms)


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """A worker's request for jobs.

    Attributes:
        groups: names of tasks, those of the highest priority first.
        most: the largest number of jobs to take.
        job_ttl_s: how long a job that has ended meanwhile stays in Redis.
        start: index of the first task of each group.
        listing: the name given to the last `list_held`; with any other one the claim takes nothing.
    """

    worker: str
    groups: Sequence[Sequence[str]]
    most: int
    job_ttl_s: int
    start: int = 0
    listing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`more`: more is ready; `wait_s`: seconds until a rate allows more; `jobs`: this worker's now.

    `outdated`: Redis knows another last listing of what the worker holds, and gives nothing before the next.
    """

    more: bool
    wait_s: float
    jobs: list[ClaimedJob]
    outdated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatAnswer:
    """News for a worker: jobs it has lost, and jobs to cancel with the reason.

    `stops`: it claims no more jobs, and leaves when those that it runs have ended.
    """

    now: datetime
    lost: list[str]
    cancels: list[tuple[str, str]]
    stops: bool = False

    @property
    def now_ms(self) -> int:
        return to_ms(self.now)


@dataclass(frozen=True, slots=True)
class DueSlot:
    """A schedule with its next slot; `seen`: a digest of the rule as stored, `score`: the slot as stored."""

    schedule: Schedule
    slot: datetime
    seen: str
    score: str = ""


@dataclass(frozen=True, slots=True)
class UnreadableSlot:
    """A due schedule that can't be read here, or not planned, and why.

    Attributes:
        key, seen: where it is stored, and a digest of what is stored there.
        score: its score in `due`; `slot`: the moment of that, None if it is none.
        task: as far as it can be read.
    """

    key: str
    seen: str
    score: str
    slot: datetime | None
    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class DueFrom:
    """Where reading of `due` begins: behind all before `score`, and `passed` schedules that have it."""

    score: str = "-inf"
    passed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSlots:
    """Due slots, oldest first; `following` is the next slot that is not due yet."""

    now: datetime
    following: datetime | None
    found: tuple[DueSlot | UnreadableSlot, ...]

    @property
    def slots(self) -> tuple[DueSlot, ...]:
        """Those that can be read."""
        return tuple(each for each in self.found if isinstance(each, DueSlot))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """Redis' clock: `jump_ms`, below 0 if it went back; `behind`: a mark to hand back.

    `behind` is there until what the fast clock has put off has been moved back; '' otherwise.
    """

    now: datetime
    jump_ms: int
    behind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarer:
    """The code that declares: `worker` with its start time, by Redis' clock.

    Without a worker (`infinitas sync`) a declaration holds until a newer one comes.
    """

    born: datetime
    worker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """`unfired` slots and `jobs` were checked; `reported` are new events."""

    unfired: int
    jobs: int
    reported: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """`count` jobs were checked; `following` is the moment of the next."""

    count: int
    now: datetime
    following: datetime | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """One finished attempt; the job stays in Redis for `ttl_s` seconds after its end.

    Attributes:
        lingers: its code could not be stopped yet, and counts as running until it is over.
        over: the task, when code that has lingered is over; the attempt itself was settled before.
        due_ms: the job's due time, which distinguishes it from another one of the same id.
    """

    job: str
    attempt: int
    verdict: Verdict
    ttl_s: float
    lingers: bool = False
    over: str = ""
    due_ms: int = 0

    @property
    def chars(self) -> int:
        """About how much text it holds."""
        verdict = self.verdict
        if verdict is SUCCEEDED:
            return 0
        return len(verdict.result or "") + len(verdict.error or "") + len(verdict.traceback or "")


@dataclass(frozen=True, slots=True)
class Home:
    """Where the code of a worker's task is, and which other place it takes over; '' for none."""

    place: str
    takes_over: str = ""


def homes_of(tasks: Iterable[TaskDefinition]) -> dict[str, Home]:
    """Where the code of these tasks is, as far as it is known."""
    return {each.name: Home(each.place, each.takes_over or "") for each in tasks if each.place}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Log lines (JSON text of `[[seq, ms, level, text], …]`), progress, checkpoint of one attempt."""

    job: str
    attempt: int
    lines: str | None = None
    progress: float | None = None
    step: str | None = None
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """`alive`: the worker sent a heartbeat meanwhile; `moved` jobs moved on; `more` are left."""

    alive: bool
    moved: int = 0
    more: bool = False


Attempts = Sequence[tuple[str, int]]
"""Ids of jobs, with the attempts meant."""
