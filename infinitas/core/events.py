"""One event, as read from the stream."""

from dataclasses import dataclass

from infinitas.core.event_kinds import EventKind
from infinitas.core.states import State


def is_before(position: str, other: str) -> bool:
    """Whether a position in the stream comes before another; '' comes before all."""
    return _numbers(position) < _numbers(other)


def _numbers(position: str) -> tuple[int, ...]:
    return tuple(map(int, position.split("-"))) if position else ()


UNREADABLE = "unreadable"
"""The kind of an event whose entry can't be read; its `fields` are the raw entry."""
_QUEUED_BY: dict[str, str] = dict.fromkeys(
    (EventKind.JOB_CREATED, EventKind.JOB_RELEASED, EventKind.JOB_LOST, EventKind.JOB_REVIVED),
    State.QUEUED.value,
)


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

    @property
    def job_state(self) -> str:
        """The job's state after a job event; no `State` if the event changes none."""
        return self.fields.get("state") or _QUEUED_BY.get(self.kind) or self.kind.removeprefix("job.")
