"""Events as read from the stream, and how a batch of them folds into rows for the archive."""

from dataclasses import dataclass, field

import orjson

from infinitas.core.states import FINAL

Text = str | None
_DECLARATIONS = {"task.declared", "schedule.declared", "schedule.removed", "schedule.ended"}
IN_THE_STREAM = dict.fromkeys(("created", "released", "lost", "revived"), "queued")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An immutable fact. `position` is its stream id; `fields` are plain text."""

    position: str
    kind: str
    at_ms: int
    fields: dict[str, str]

    @property
    def version(self) -> int:
        """The stream id as one number that grows with every event."""
        ms, seq = self.position.split("-")
        return (int(ms) << 20) | int(seq)


@dataclass(slots=True, kw_only=True)
class JobRow:
    """What a batch says about one job; None means that the batch doesn't say."""

    id: str
    due_ms: int
    task: str
    queue: str
    version: int = 0
    state: str = ""
    attempt: int | None = None
    schedule: Text = None
    args: Text = None
    headers: Text = None
    key: Text = None
    reason: Text = None
    worker: Text = None
    error: Text = None
    result: Text = None
    created_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class AttemptRow:
    job: str
    due_ms: int
    attempt: int
    worker: Text = None
    outcome: Text = None
    reason: Text = None
    error: Text = None
    traceback: Text = None
    started_ms: int | None = None
    ended_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    job: str
    due_ms: int
    attempt: int
    seq: int
    at_ms: int
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A task (`schedule` is None) or a schedule as declared; `definition` None means removed."""

    at_ms: int
    task: Text
    schedule: Text
    definition: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What happened to a schedule beside its jobs: paused, missed, late and the like."""

    at_ms: int
    what: str
    schedule: str
    facts: str
    """JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """Somebody has changed something through the server."""

    at_ms: int
    who: str
    what: str
    target: str
    why: str
    origin: str


@dataclass(slots=True, kw_only=True)
class Batch:
    """Rows for one transaction: each job and attempt once, in its last state."""

    queue: str
    jobs: dict[str, JobRow] = field(default_factory=dict)
    attempts: dict[tuple[str, int], AttemptRow] = field(default_factory=dict)
    logs: list[LogRow] = field(default_factory=list)
    declarations: list[Declaration] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    audit: list[Audited] = field(default_factory=list)
    ended: dict[str, dict[str, int]] = field(default_factory=dict)
    """task → final state → how many jobs reached it in this batch."""


def fold(queue: str, events: list[Event]) -> Batch:
    """Fold events, in stream order, into the rows that they make true."""
    batch = Batch(queue=queue)
    for event in events:
        family, _, what = event.kind.partition(".")
        if event.kind in _DECLARATIONS:
            batch.declarations.append(_declaration(event))
        elif family == "schedule":
            batch.notes.append(_note(event, what))
        elif family == "audit":
            batch.audit.append(Audited(at_ms=event.at_ms, what=what, **event.fields))
        elif family != "job":
            continue
        elif what == "logged":
            batch.logs.extend(_log_rows(event))
        elif what not in ("stale", "cancelling", "waiting"):
            _fold_job(batch, event, what)
    return batch


def _fold_job(batch: Batch, event: Event, what: str) -> None:
    get = event.fields.get
    job, due = event.fields["job"], int(event.fields["due"])
    row = batch.jobs.get(job)
    if row is None:
        row = JobRow(id=job, due_ms=due, task=event.fields["task"], queue=batch.queue)
        batch.jobs[job] = row
    row.version = event.version
    row.state = get("state") or IN_THE_STREAM.get(what, what)
    for name in ("schedule", "args", "headers", "key", "worker"):
        if value := get(name):
            setattr(row, name, value)
    # These speak of the last event alone: a retry that succeeds leaves no error behind.
    for name in ("reason", "error", "result"):
        setattr(row, name, get(name) or None)
    if what == "created":
        row.created_ms = event.at_ms
    if started := get("started"):
        row.started_ms = int(started)
    if attempt := get("attempt"):
        row.attempt = int(attempt)
        _fold_attempt(batch, event, what, int(attempt))
    if row.state in FINAL:
        row.ended_ms = event.at_ms
        counts = batch.ended.setdefault(row.task, {})
        counts[row.state] = counts.get(row.state, 0) + 1
    elif was := get("was"):
        # Summaries count final states; this job has left its own again.
        counts = batch.ended.setdefault(row.task, {})
        counts[was] = counts.get(was, 0) - 1
        row.ended_ms = None


def _fold_attempt(batch: Batch, event: Event, what: str, attempt: int) -> None:
    get, job = event.fields.get, event.fields["job"]
    row = batch.attempts.setdefault(
        (job, attempt), AttemptRow(job=job, due_ms=int(event.fields["due"]), attempt=attempt)
    )
    row.worker = get("worker") or row.worker
    if started := get("started"):
        row.started_ms = int(started)
    if what != "running":
        row.outcome = {"retrying": "failed"}.get(what, what)
        for name in ("reason", "error", "traceback"):
            setattr(row, name, get(name) or None)
        row.ended_ms = event.at_ms


def _log_rows(event: Event) -> list[LogRow]:
    return [
        LogRow(
            job=event.fields["job"],
            due_ms=int(event.fields["due"]),
            attempt=int(event.fields["attempt"]),
            seq=seq,
            at_ms=at_ms,
            level=level,
            text=text,
        )
        for seq, at_ms, level, text in orjson.loads(event.fields["lines"])
    ]


def _declaration(event: Event) -> Declaration:
    get = event.fields.get
    return Declaration(
        at_ms=event.at_ms,
        task=get("task"),
        schedule=get("schedule"),
        definition=get("definition"),
    )


def _note(event: Event, what: str) -> Note:
    facts = {name: value for name, value in event.fields.items() if name != "schedule"}
    return Note(
        at_ms=event.at_ms,
        what=what,
        schedule=event.fields["schedule"],
        facts=orjson.dumps(facts).decode(),
    )
