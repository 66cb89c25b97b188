"""What a Redis that has lost data gets back from the archive. Pure: rows in, changes out."""

from dataclasses import dataclass, field
from datetime import datetime

import orjson

from infinitas.core.codec import from_ms, to_ms
from infinitas.core.declaration import merge
from infinitas.core.errors import BadSchedule
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event
from infinitas.core.schedule import Schedule
from infinitas.core.states import FINAL, State

ATTEMPTS_PER_EPOCH = 1000
"""More than a job makes between two restores: attempts after a restore are numbered from its epoch on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedSchedule:
    """A schedule as the archive has it.

    Attributes:
        definition: JSON of the rule.
        active: it has slots ahead; `stored`: Redis had it, also if it was over.
        mark: the last slot that was fired.
        runs: jobs so far, of one with `max_runs`; 0 for others.
        pause, skip: facts of the last pause or resumption, and of the last request to skip slots, as JSON.
        skipped: how many slots were left out since that request.
    """

    key: str
    task: str | None
    definition: str | None
    active: bool
    stored: bool
    changed_at: datetime
    mark: datetime | None
    runs: int
    pause: str | None
    skip: str | None
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSchedule:
    """A schedule as Redis has it now: its rule as JSON, its next slot and its mark in ms (0: none)."""

    text: str
    slot_ms: int | None
    mark_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredSchedule:
    """What a schedule becomes. None for `skips` or `is_paused`: that is newer in Redis and stays.

    Attributes:
        next_ms: its next slot; None: it is over.
        pause: JSON as `pause.lua` stores it, '' for none.
    """

    key: str
    task: str
    definition: str
    next_ms: int | None
    mark_ms: int
    runs: int
    pause: str | None
    skips: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedJob:
    """A job as the archive has it.

    Attributes:
        rule: the rule of its schedule, as JSON.
        charged: how many attempts failed; `crashes`: how many died with their worker.
    """

    id: str
    task: str
    due_at: datetime
    state: str
    reason: str | None
    attempt: int | None
    schedule: str | None
    args: str | None
    headers: str | None
    key: str | None
    redact: str | None
    worker: str | None
    error: str | None
    result: str | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None
    rule: str | None
    charged: int
    crashes: int


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as Redis has it now."""

    state: str
    attempt: int


@dataclass(slots=True)
class Fresh:
    """What has happened in Redis since it lost data: this is newer than the archive, and stays."""

    rules: set[str] = field(default_factory=set)
    """Schedules that a caller has stored; `declared`: that code has declared."""
    declared: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    pauses: set[str] = field(default_factory=set)
    skips: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)

    def add(self, event: Event) -> None:
        """Take note of an event that the archive does not have."""
        key = event.fields.get("schedule", "")
        if event.kind == EventKind.SCHEDULE_DECLARED:
            of_a_caller = '"origin":"api"' in event.fields.get("definition", "")
            (self.rules if of_a_caller else self.declared).add(key)
            self.removed.discard(key)
        elif event.kind == EventKind.SCHEDULE_REMOVED:
            self.removed.add(key)
        elif event.kind in (EventKind.SCHEDULE_PAUSED, EventKind.SCHEDULE_RESUMED):
            self.pauses.add(key)
        elif event.kind == EventKind.SCHEDULE_SKIP_NEXT:
            self.skips.add(key)
        elif event.kind in (EventKind.JOB_CREATED, EventKind.JOB_REVIVED):
            self.jobs.add(event.fields.get("job", ""))


def plan_schedule(
    archived: ArchivedSchedule, stored: StoredSchedule | None, fresh: Fresh
) -> RestoredSchedule | None:
    """What becomes of a schedule; None: it stays as it is.

    Marks only go forward, so no slot that was fired comes again. The next slot is the first after the mark:
    slots that passed meanwhile are left to the catch-up policy.

    Raises:
        BadSchedule: a rule can't be read.
    """
    key = archived.key
    if not archived.stored or key in fresh.removed:
        return None
    mark_ms = max(to_ms(archived.mark) if archived.mark else 0, stored.mark_ms if stored else 0)
    rule, newer = _rule(archived), _newer_rule(archived, stored, fresh)
    if newer:
        slot_ms = stored.slot_ms if stored else None
        is_ahead = slot_ms is not None and slot_ms > mark_ms
        next_ms = slot_ms if is_ahead else _slot_after(newer, from_ms(mark_ms))
    else:
        next_ms = _next_ms(rule, archived, mark_ms)
    return RestoredSchedule(
        key=key,
        task=(newer or rule).task,
        definition=(newer or rule).to_json(),
        next_ms=next_ms,
        mark_ms=mark_ms,
        runs=0 if newer else archived.runs,
        pause=None if key in fresh.pauses else _pause(archived),
        skips=None if key in fresh.skips or key in fresh.rules else _skips(archived),
    )


def is_gone(archived: ArchivedSchedule, fresh: Fresh) -> bool:
    """Whether a schedule that Redis has was over or removed before Redis lost data."""
    return not archived.stored and archived.key not in fresh.rules | fresh.declared


def _rule(archived: ArchivedSchedule) -> Schedule:
    rule = Schedule.stored(archived.definition or "")
    if rule.key != archived.key:
        raise BadSchedule(f"The archive's schedule of this key is that of {rule.key!r:.80}.")
    return rule


def _newer_rule(archived: ArchivedSchedule, stored: StoredSchedule | None, fresh: Fresh) -> Schedule | None:
    """The rule that Redis was given since it lost data, if it differs from what the archive has.

    Code declares again what it declared before: then the archive's rule, with its override and anchor, stays.
    """
    if stored is None:
        return None
    if archived.key in fresh.rules:
        return Schedule.stored(stored.text)
    if archived.key in fresh.declared:
        return merge(_rule(archived), Schedule.stored(stored.text))
    return None


def _next_ms(rule: Schedule, archived: ArchivedSchedule, mark_ms: int) -> int | None:
    if not archived.active or (rule.max_runs is not None and archived.runs >= rule.max_runs):
        return None
    if not mark_ms and rule.at_ms is not None and rule.origin != "code":
        # Its slot was ahead when it was stored, and once fired the schedule would be gone.
        return rule.at_ms
    return _slot_after(rule, max(from_ms(mark_ms), archived.changed_at))


def _slot_after(rule: Schedule, moment: datetime) -> int | None:
    try:
        slot = rule.next_after(moment)
    except (BadSchedule, ValueError, OverflowError):
        return None  # Its zone is unknown here; a reconciler that can read it plans it.
    return to_ms(slot) if slot else None


def _pause(archived: ArchivedSchedule) -> str:
    return str(_facts(archived.pause).get("record", ""))


def _skips(archived: ArchivedSchedule) -> int:
    count = str(_facts(archived.skip).get("count", "0"))
    return max(int(count) - archived.skipped, 0) if count.isdecimal() else 0


def _facts(text: str | None) -> dict[str, object]:
    facts = orjson.loads(text) if text else {}
    return facts if isinstance(facts, dict) else {}


def put_back(job: ArchivedJob, epoch: int, leader: str | None) -> dict[str, object]:
    """A job that Redis does not have, for `restore_jobs.lua`.

    A job without arguments in the archive can't run: it ends `lost`. `leader`: the job of its schedule's slot
    before that has not ended.

    Raises:
        BadSchedule, ValueError: a value of its row can't be read.
    """
    attempt = epoch * ATTEMPTS_PER_EPOCH
    rule = Schedule.stored(job.rule) if job.rule and job.schedule else None
    due = to_ms(job.due_at)
    item: dict[str, object] = {
        "id": job.id,
        "task": job.task,
        "args": job.args or "[[],{}]",
        "due": str(due),
        "created": str(to_ms(job.created_at or job.due_at)),
        "state": job.state,
        "attempt": attempt,
        "uncharged": attempt - job.charged,
        "crashes": job.crashes,
        "at": to_ms(rule.ready_at(job.due_at)) if rule else due,
        "last": _last_attempt(job),
    }
    optional = {name: getattr(job, name) for name in ("schedule", "headers", "key", "redact")}
    item |= {name: value for name, value in optional.items() if value}
    if job.expires_at and not job.attempt:
        item["expires"] = str(to_ms(job.expires_at))
    if job.args is None:
        item["lost"] = True
    if rule:
        item["expect"] = to_ms(rule.expected_by(job.due_at))
        if leader and job.state == State.SCHEDULED and rule.overlap in ("queue", "replace"):
            item["leader"] = leader
    return item


def _last_attempt(job: ArchivedJob) -> dict[str, str]:
    started = str(to_ms(job.started_at or job.due_at))
    return {"attempt": str(job.attempt or 0), "worker": job.worker or "", "started": started}


def correct(id: str, stored: StoredJob, job: ArchivedJob | None, epoch: int) -> dict[str, object]:
    """What becomes of a job that an older Redis has as not ended, for `correct_jobs.lua`.

    One that had ended ends again, as it did. The next attempt of any other gets a number that was never
    used, also by an attempt that neither store knows.
    """
    attempt = epoch * ATTEMPTS_PER_EPOCH
    item: dict[str, object] = {"id": id, "seen": stored.state, "seen_attempt": stored.attempt}
    if job is None:
        return item | {"attempt": attempt}
    if job.state not in FINAL:
        has_begun, runs = (job.attempt or 0) > stored.attempt, job.state == State.RUNNING
        item |= {"attempt": attempt, "charged": job.charged, "moved": has_begun or not runs}
        return item | ({"last": _last_attempt(job)} if has_begun and runs else {})
    facts = {name: getattr(job, name) for name in ("reason", "error", "result", "worker")}
    ended = {
        "state": job.state,
        "ended": str(to_ms(job.ended_at or job.due_at)),
        "attempt": str(job.attempt or 0),
        **({"started": str(to_ms(job.started_at))} if job.started_at else {}),
        **{name: value for name, value in facts.items() if value},
    }
    return item | {"ended": ended}
