"""How a batch of events folds into rows for the archive. An event that can't be read is set aside alone."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from infinitas.core.codec import to_ms
from infinitas.core.events import (
    IN_THE_STREAM,
    UNREADABLE,
    AttemptRow,
    Audited,
    Declaration,
    Event,
    GoneJob,
    JobRow,
    LogRow,
    Note,
    Refusal,
)
from infinitas.core.states import FINAL, Reason, State
from infinitas.core.text import clean

MAX_ERROR_CHARS = 500
GONE = "the job was gone from Redis"
# A day from the ends of Python's calendar: a reader in another time zone must be able to show it.
_EARLIEST_MS = to_ms(datetime(1, 1, 2, tzinfo=UTC))
_LATEST_MS = to_ms(datetime(9999, 12, 30, tzinfo=UTC))
_MOST_INT = 2**31 - 1
_DECLARATIONS = {"task.declared", "schedule.declared", "schedule.removed", "schedule.ended"}
_STATES = {state.value for state in State}
_CHANGES = {*_STATES, *IN_THE_STREAM}
_ASIDE = {"stale", "cancelling", "waiting"}
"""Facts about jobs that change no row."""
_OF_THE_WHOLE = ("task", "worker", "queue", "entry", "archive", "redis")
"""Facts about the system, for live pages; they change no row."""
_NOT_RUN = (State.SKIPPED, State.MISSED)


@dataclass(slots=True, kw_only=True)
class Batch:
    """Rows for one transaction: each job and attempt once, in its last state."""

    queue: str
    jobs: dict[tuple[str, int], JobRow] = field(default_factory=dict)
    attempts: dict[tuple[str, int, int], AttemptRow] = field(default_factory=dict)
    logs: list[LogRow] = field(default_factory=list)
    declarations: list[Declaration] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    audit: list[Audited] = field(default_factory=list)
    gone: list[GoneJob] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def fold(queue: str, events: list[Event]) -> Batch:
    """Fold events, in stream order, into the rows that they make true."""
    batch = Batch(queue=queue)
    for event in events:
        try:
            _fold(batch, event)
        except Exception as error:  # noqa: BLE001 - whatever one event holds must not stop the others
            batch.refused.append(refuse(event, error))
    return batch


def refuse(event: Event, error: Exception) -> Refusal:
    """Set an event aside, with its error as a sentence."""
    if isinstance(error, KeyError):
        return Refusal(event=event, error=f"the field {error} is missing")
    text = " ".join(str(error).split()) or type(error).__name__
    return Refusal(event=event, error=text[:MAX_ERROR_CHARS])


def _fold(batch: Batch, event: Event) -> None:
    """Nothing is changed by an event that raises: each part is read before the first is written."""
    family, _, what = event.kind.partition(".")
    if family == "job":
        if what in _CHANGES:
            _fold_job(batch, event, what)
        elif what == "logged":
            batch.logs += _log_rows(event)
        elif what not in _ASIDE:
            raise ValueError(f"a job event of an unknown kind, {event.kind!r}")
    elif event.kind in _DECLARATIONS:
        batch.declarations.append(_declaration(event))
    elif family == "schedule":
        batch.notes.append(_note(event, what))
    elif family == "audit":
        batch.audit.append(_audited(event, what))
    elif event.kind == "entry.without_job":
        _fold_gone(batch, event)
    elif event.kind == UNREADABLE:
        raise ValueError("the entry can't be read as an event")
    elif family not in _OF_THE_WHOLE:
        raise ValueError(f"an event of an unknown kind, {event.kind!r}")


def _fold_job(batch: Batch, event: Event, what: str) -> None:
    get = event.fields.get
    job, due = clean(event.fields["job"]), _ms(event.fields["due"])
    task, state, at = event.fields["task"], get("state") or IN_THE_STREAM.get(what, what), _ms(event.at_ms)
    started = _ms(text) if (text := get("started")) else None
    attempt = _number(text) if (text := get("attempt")) else None
    if state not in _STATES:
        raise ValueError(f"a job of an unknown state, {state!r}")
    version = event.version
    if attempt is not None:
        _fold_attempt(
            batch, event, what, AttemptRow(job=job, due_ms=due, attempt=attempt, started_ms=started)
        )
    row = batch.jobs.get((job, due))
    if row is None:
        row = JobRow(id=job, due_ms=due, task=clean(task), queue=batch.queue)
        batch.jobs[job, due] = row
    elif _stays(row, state, started) and what != "revived":
        return
    row.version, row.state = version, state
    for name in ("schedule", "args", "headers", "key", "worker"):
        if value := get(name):
            setattr(row, name, value)
    # These speak of the last event alone: a retry that succeeds leaves no error behind.
    for name in ("reason", "error", "result"):
        setattr(row, name, get(name) or None)
    if what == "created":
        row.created_ms = at
    row.revived = row.revived or what == "revived"
    row.started_ms = row.started_ms if started is None else started
    row.attempt = row.attempt if attempt is None else attempt
    row.ended_ms = at if state in FINAL else None


def _fold_gone(batch: Batch, event: Event) -> None:
    """The event knows no due time, so the row is that of these events, or the one that the archive has."""
    gone = GoneJob(id=clean(event.fields["job"]), version=event.version, at_ms=_ms(event.at_ms))
    rows = [row for (job, _), row in batch.jobs.items() if job == gone.id]
    for row in rows:
        if row.state not in FINAL:
            row.version, row.state, row.ended_ms = gone.version, State.FAILED, gone.at_ms
            row.reason, row.error = Reason.LOST, GONE
    if not rows:
        batch.gone.append(gone)


def _stays(row: JobRow, state: str, started: int | None) -> bool:
    """A job that has ended stays so, however much of it Redis has forgotten (record_jobs.sql has it too)."""
    if row.state not in FINAL:
        return False
    if state in FINAL:
        return row.started_ms is not None and started is None
    return row.started_ms is not None or row.state not in _NOT_RUN


def _fold_attempt(batch: Batch, event: Event, what: str, fresh: AttemptRow) -> None:
    get = event.fields.get
    row = batch.attempts.setdefault((fresh.job, fresh.due_ms, fresh.attempt), fresh)
    if what != "running":
        row.outcome = {"retrying": "failed"}.get(what, what)
        for name in ("reason", "error", "traceback"):
            setattr(row, name, get(name) or None)
        row.ended_ms = event.at_ms
    elif row.outcome is not None:
        return
    row.worker = get("worker") or row.worker
    row.started_ms = fresh.started_ms or row.started_ms


def _log_rows(event: Event) -> list[LogRow]:
    job, due, attempt = event.fields["job"], _ms(event.fields["due"]), _number(event.fields["attempt"])
    return [
        LogRow(
            job=job,
            due_ms=due,
            attempt=attempt,
            seq=_number(seq),
            at_ms=_ms(at_ms),
            level=_text(level),
            text=_text(text),
        )
        for seq, at_ms, level, text in orjson.loads(event.fields["lines"])
    ]


def _declaration(event: Event) -> Declaration:
    get = event.fields.get
    about = "task" if event.kind == "task.declared" else "schedule"
    return Declaration(
        at_ms=_ms(event.at_ms),
        task=clean(event.fields["task"]) if about == "task" else get("task"),
        schedule=clean(event.fields["schedule"]) if about == "schedule" else None,
        definition=get("definition"),
    )


def _note(event: Event, what: str) -> Note:
    facts = {clean(name): clean(value) for name, value in event.fields.items() if name != "schedule"}
    return Note(
        at_ms=_ms(event.at_ms),
        what=what,
        schedule=event.fields["schedule"],
        facts=orjson.dumps(facts).decode(),
    )


def _audited(event: Event, what: str) -> Audited:
    said = {name: event.fields[name] for name in ("who", "target", "why", "origin")}
    return Audited(at_ms=_ms(event.at_ms), what=what, **said)


def _ms(value: str | int) -> int:
    ms = int(value)
    if not _EARLIEST_MS <= ms <= _LATEST_MS:
        raise ValueError(f"{str(value)[:40]} ms since 1970 is no time that the archive can hold")
    return ms


def _number(value: str | int) -> int:
    number = int(value)
    if not 0 <= number <= _MOST_INT:
        raise ValueError(f"{str(value)[:40]} is no number that the archive can hold")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a log line has {str(value)[:40]!r} for a text")
    return value
