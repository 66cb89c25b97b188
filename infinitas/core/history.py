"""Folds a batch of events into rows of the archive. An event that can't be read is set aside alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from infinitas.core.codec import from_ms, to_ms
from infinitas.core.event_kinds import AUDIT_PREFIX, EventKind
from infinitas.core.events import UNREADABLE, Event
from infinitas.core.history_rows import (
    AttemptRow,
    AuditRow,
    GoneJob,
    JobRow,
    LogRow,
    NoteRow,
    Refusal,
    ScheduleRow,
    TaskRow,
)
from infinitas.core.states import FINAL, Reason, State
from infinitas.core.text import clean, clean_json

REVIVED = "revived"
"""In `JobRow.was`: a person gave the job new tries, so it may leave a final state."""
MAX_ERROR_CHARS = 500
GONE = "the job was gone from Redis"
# A day within the ends of Python's calendar: a reader in another time zone must be able to show it.
_EARLIEST_MS = to_ms(datetime(1, 1, 2, tzinfo=UTC))
_LATEST_MS = to_ms(datetime(9999, 12, 30, tzinfo=UTC))
_MOST_INT = 2**31 - 1
_STATES = {state.value for state in State}
# Every event is compared with these; looking up the members of an enum each time is slow.
_CREATED, _RUNNING = EventKind.JOB_CREATED, EventKind.JOB_RUNNING
_MOVED = EventKind.JOB_MOVED
_RETRYING, _REVIVED = EventKind.JOB_RETRYING, EventKind.JOB_REVIVED
_CHANGES = {f"job.{state}" for state in State} | {
    EventKind.JOB_CREATED,
    EventKind.JOB_MOVED,
    EventKind.JOB_RELEASED,
    EventKind.JOB_LOST,
    EventKind.JOB_REVIVED,
}
_DEFINITIONS = {EventKind.TASK_DECLARED, EventKind.TASK_REMOVED}
_WITHOUT_ROW = {EventKind.JOB_STALE, EventKind.JOB_CANCELLING, EventKind.JOB_WAITING}
_RULES = {EventKind.SCHEDULE_DECLARED, EventKind.SCHEDULE_REMOVED, EventKind.SCHEDULE_ENDED}
_FAMILIES_WITHOUT_ROW = ("task", "worker", "queue", "entry", "archive", "redis", "system")
"""Events about the system, for live pages."""
_NOT_RUN = (State.SKIPPED, State.MISSED)


@dataclass(slots=True, kw_only=True)
class Batch:
    """Rows for one transaction: each job and attempt once, in its last state."""

    queue: str
    jobs: dict[tuple[str, int], JobRow] = field(default_factory=dict)
    """By id and due time in ms."""
    attempts: dict[tuple[str, int, int], AttemptRow] = field(default_factory=dict)
    logs: list[LogRow] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    schedules: list[ScheduleRow] = field(default_factory=list)
    notes: list[NoteRow] = field(default_factory=list)
    audit: list[AuditRow] = field(default_factory=list)
    gone: list[GoneJob] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def fold(queue: str, events: list[Event]) -> Batch:
    """Fold events, in stream order, into rows."""
    batch = Batch(queue=queue)
    for event in events:
        try:
            _fold(batch, event)
        except Exception as error:  # noqa: BLE001 - one event must not stop the others
            batch.refused.append(refuse(event, error))
    return batch


def refuse(event: Event, error: Exception) -> Refusal:
    """Set an event aside, with its error as a sentence."""
    if isinstance(error, KeyError):
        return Refusal(event=event, error=f"the field {error} is missing")
    text = " ".join(str(error).split()) or type(error).__name__
    return Refusal(event=event, error=text[:MAX_ERROR_CHARS])


def _fold(batch: Batch, event: Event) -> None:
    """An event that raises changes nothing: each part is read before the first is written."""
    kind = event.kind
    if kind in _CHANGES:
        _fold_job(batch, event)
        return
    family = kind.partition(".")[0]
    if kind == EventKind.JOB_LOGGED:
        batch.logs += _log_rows(event)
    elif kind in _DEFINITIONS:
        batch.tasks.append(_task_row(batch.queue, event))
    elif kind in _RULES:
        batch.schedules.append(_schedule_row(batch.queue, event))
    elif family == "schedule":
        batch.notes.append(_note_row(batch.queue, event))
    elif kind.startswith(AUDIT_PREFIX):
        batch.audit.append(_audit_row(event))
    elif kind == EventKind.ENTRY_WITHOUT_JOB:
        _fold_gone(batch, event)
    elif kind == UNREADABLE:
        raise ValueError("the entry can't be read as an event")
    elif kind not in _WITHOUT_ROW and family not in _FAMILIES_WITHOUT_ROW:
        raise ValueError(f"an event of an unknown kind, {kind!r}")


def _fold_job(batch: Batch, event: Event) -> None:
    get = event.fields.get
    job, due_ms = clean(event.fields["job"]), _ms(event.fields["due"])
    task, state, at = event.fields["task"], event.job_state, _moment(event.at_ms)
    started = _moment(text) if (text := get("started")) else None
    attempt = _number(text) if (text := get("attempt")) else None
    created = _moment(text) if event.kind == _MOVED and (text := get("created")) else None
    if state not in _STATES:
        raise ValueError(f"a job of an unknown state, {state!r}")
    version = event.version
    row = batch.jobs.get((job, due_ms))
    stays = row is not None and _stays(row, state, started)
    if row is None:
        row = JobRow(id=job, due_at=from_ms(due_ms), task=clean(task), queue=batch.queue)
        batch.jobs[job, due_ms] = row
    if attempt is not None:
        key = job, due_ms, attempt
        row_of_attempt = batch.attempts.get(key)
        if row_of_attempt is None:
            row_of_attempt = AttemptRow(job_id=job, due_at=row.due_at, attempt=attempt)
            batch.attempts[key] = row_of_attempt
        _fold_attempt(row_of_attempt, event, started, at)
    if stays and event.kind != _REVIVED:
        return
    row.version, row.state = version, state
    _take_facts(row, get)
    if event.kind == _CREATED:
        row.created_at = at
    elif event.kind == _MOVED:
        # It has all facts: the events of its former queue may be read later.
        row.task, row.created_at = clean(task), created or row.created_at
    elif event.kind == _REVIVED:
        row.was = REVIVED
    row.started_at = row.started_at if started is None else started
    row.attempt = row.attempt if attempt is None else attempt
    row.ended_at = at if state in FINAL else None


def _take_facts(row: JobRow, get: Callable[[str], str | None]) -> None:
    if text := get("schedule"):
        row.schedule = clean(text)
    if text := get("args"):
        row.args = clean_json(text)
    if text := get("headers"):
        row.headers = clean_json(text)
    if text := get("key"):
        row.key = clean(text)
    if text := get("redact"):
        row.redact = clean_json(text)
    if text := get("expires"):
        row.expires_at = from_ms(min(_number_of_ms(text), _LATEST_MS))
    if text := get("worker"):
        row.worker = clean(text)
    # These are of the last event alone: a retry that succeeds leaves no error behind.
    row.reason = clean(text) if (text := get("reason")) else None
    row.error = clean(text) if (text := get("error")) else None
    row.result = clean_json(text) if (text := get("result")) else None


def _fold_gone(batch: Batch, event: Event) -> None:
    """End the job in this batch; the event has no due time, so one that is only archived is left to SQL."""
    gone = GoneJob(id=clean(event.fields["job"]), version=event.version, at=_moment(event.at_ms))
    rows = [row for (job, _), row in batch.jobs.items() if job == gone.id]
    for row in rows:
        if row.state not in FINAL:
            row.version, row.state, row.ended_at = gone.version, State.FAILED, gone.at
            row.reason, row.error = Reason.LOST, GONE
    if not rows:
        batch.gone.append(gone)


def _stays(row: JobRow, state: str, started: datetime | None) -> bool:
    """Whether an ended job stays as it is, also if Redis forgot the end (the rule of record_jobs.sql)."""
    if row.state not in FINAL:
        return False
    if state in FINAL:
        return row.started_at is not None and started is None
    return row.started_at is not None or row.state not in _NOT_RUN


def _fold_attempt(row: AttemptRow, event: Event, started: datetime | None, at: datetime) -> None:
    get = event.fields.get
    if event.kind != _RUNNING:
        row.outcome = "failed" if event.kind == _RETRYING else event.kind[len("job.") :]
        row.reason = clean(text) if (text := get("reason")) else None
        row.error = clean(text) if (text := get("error")) else None
        row.traceback = clean(text) if (text := get("traceback")) else None
        row.ended_at = at
    elif row.outcome is not None:
        return
    if text := get("worker"):
        row.worker = clean(text)
    row.started_at = started or row.started_at


def _log_rows(event: Event) -> list[LogRow]:
    job, due = clean(event.fields["job"]), _moment(event.fields["due"])
    attempt = _number(event.fields["attempt"])
    return [
        LogRow(
            job_id=job,
            due_at=due,
            attempt=attempt,
            seq=_number(seq),
            at=_moment(at_ms),
            level=_text(level),
            line=_text(text),
        )
        for seq, at_ms, level, text in orjson.loads(event.fields["lines"])
    ]


def _task_row(queue: str, event: Event) -> TaskRow:
    return TaskRow(
        name=clean(event.fields["task"]),
        queue=queue,
        definition=_definition(event),
        at=_moment(event.at_ms),
    )


def _schedule_row(queue: str, event: Event) -> ScheduleRow:
    definition, keeps = _definition(event), event.fields.get("keeps", "").split()
    is_over = definition is None
    return ScheduleRow(
        key=clean(event.fields["schedule"]),
        queue=queue,
        task=clean(task) if (task := event.fields.get("task")) else None,
        definition=definition,
        active=not is_over,
        stored=not is_over or event.fields.get("kept") == "1",
        keeps_runs=is_over or "runs" in keeps,
        runs=_number(event.fields.get("runs", 0)),
        keeps_skips=is_over or "skips" in keeps,
        at=_moment(event.at_ms),
    )


def _definition(event: Event) -> str | None:
    text = event.fields.get("definition")
    return None if text is None else clean_json(text)


def _note_row(queue: str, event: Event) -> NoteRow:
    facts = {clean(name): clean(value) for name, value in event.fields.items() if name != "schedule"}
    return NoteRow(
        at=_moment(event.at_ms),
        queue=queue,
        schedule=clean(event.fields["schedule"]),
        what=clean(event.kind.partition(".")[2]),
        facts=orjson.dumps(facts).decode(),
    )


def _audit_row(event: Event) -> AuditRow:
    facts = {name: clean(event.fields[name]) for name in ("actor", "target", "reason", "origin")}
    changes = clean_json(text) if (text := event.fields.get("changes")) else None
    action = clean(event.kind.removeprefix(AUDIT_PREFIX))
    return AuditRow(at=_moment(event.at_ms), action=action, changes=changes, **facts)


def _ms(value: str | int) -> int:
    ms = int(value)
    if not _EARLIEST_MS <= ms <= _LATEST_MS:
        raise ValueError(f"{str(value)[:40]} ms since 1970 is no time that the archive can hold")
    return ms


def _number_of_ms(text: str) -> int:
    """A time that may be far beyond the calendar."""
    return max(int(float(text)), 0)


def _moment(value: str | int) -> datetime:
    return from_ms(_ms(value))


def _number(value: str | int) -> int:
    number = int(value)
    if not 0 <= number <= _MOST_INT:
        raise ValueError(f"{str(value)[:40]} is no number that the archive can hold")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a log line has {str(value)[:40]!r} for a text")
    return clean(value)
