"""Events as read from the stream, and the rows of the archive that they make true."""

from dataclasses import dataclass

Text = str | None
UNREADABLE = "unreadable"
"""The kind of an event whose entry can't be read; its `fields` are the entry as it is."""
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
    revived: bool = False
    """A person gave it new tries: the one way back out of a final state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneJob:
    """Something in Redis spoke of a job whose hash was gone."""

    id: str
    version: int
    at_ms: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event that has no place in the tables, and why; it is kept as it came."""

    event: Event
    error: str

    @property
    def kind(self) -> str:
        """What the event is called, also where nothing more can be read of it."""
        kind = self.event.kind
        return kind if kind != UNREADABLE else self.event.fields.get("type", kind)
