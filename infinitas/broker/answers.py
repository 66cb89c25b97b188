"""Answers of scripts that are text, parsed once into closed sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from infinitas.core.errors import NameTaken


class CancelAnswer(StrEnum):
    """What a cancel did."""

    CANCELLED = "cancelled"
    REQUESTED = "asked"
    """It runs: its worker is notified."""
    ENDED = "ended"
    GONE = "gone"


class ReportAnswer(StrEnum):
    """Whether log lines, progress and checkpoint of an attempt were stored."""

    STORED = "ok"
    STALE = "stale"
    """Another attempt is the current one, or the job is gone."""


class RuleAnswer(StrEnum):
    """What became of a definition or a rule that was to be stored."""

    STORED = "ok"
    UNKNOWN_TASK = "unknown_task"
    TAKEN = "taken"
    """The key is that of another task's schedule."""
    CHANGED = "changed"
    """What is stored is not what it was compared with: read it again."""
    DUE = "due"
    """Slots of the stored rule are due: fire them first. Or its first slot has fired: only plan again."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A live worker that serves a task with other code, in `place`; `beats`: its heartbeat counter."""

    task: str
    place: str
    worker: str
    beats: int


def name_taken(rival: Rival, own: str) -> NameTaken:
    """The error of code in the place `own` that declares the rival's task."""
    return NameTaken(
        f"The task {rival.task!r} is {own} here, but {rival.place} in the worker {rival.worker}, which is "
        'alive. If these are two programs, give them names: Infinitas("shop"). If the code has moved, '
        f'declare it: @app.task(takes_over="{rival.place}").'
    )


def parse_rival(answer: Sequence[str]) -> Rival | None:
    """The answer of `rivals.lua` or `join.lua`."""
    if not answer:
        return None
    task, place, worker, beats = answer
    return Rival(task, place, worker, int(beats))


class Enqueued(StrEnum):
    """What became of a job that was sent."""

    NEW = "new"
    KNOWN = "known"
    """The same job was accepted before."""
    UNKNOWN_TASK = "unknown_task"
    EXTERNAL_TASK = "external_task"
    TAKEN = "taken"
    """Another live job of the task has its key."""
    FULL = "full"
    """The queue has no room for it now."""


@dataclass(frozen=True, slots=True)
class EnqueueAnswer:
    """`live_job`: the job that has the key, if it is taken; or why the queue is full."""

    result: Enqueued
    live_job: str = ""

    @property
    def accepted(self) -> bool:
        return self.result is Enqueued.NEW or self.result is Enqueued.KNOWN


class Revived(StrEnum):
    """What became of an ended job that was to run again."""

    REVIVED = "ok"
    LIVE = "live"
    """It has not ended."""
    SUCCEEDED = "succeeded"
    GONE = "gone"
    UNKNOWN_TASK = "unknown_task"
    EXTERNAL_TASK = "external_task"
    TAKEN = "taken"
    """Another live job of the task has its key."""


@dataclass(frozen=True, slots=True)
class ReviveAnswer:
    """`live_job`: the job that has the key, if it is taken."""

    result: Revived
    live_job: str = ""


class Settled(StrEnum):
    """What became of the outcome of an attempt."""

    APPLIED = "ok"
    ALREADY = "already"
    """The same outcome was applied before."""
    STALE = "stale"
    """Another attempt is the current one, or the job has ended in another way."""
    GONE = "gone"
    REFUSED = "refused"
    """The job's stored fields can't be read."""


@dataclass(frozen=True, slots=True)
class SettleAnswer:
    """`state` and `reason`: the job's, if the outcome is stale; `reason` also: why it was refused."""

    result: Settled
    state: str = ""
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether this outcome is the job's."""
        return self.result is Settled.APPLIED or self.result is Settled.ALREADY


NEW, KNOWN, UNKNOWN_TASK = map(EnqueueAnswer, (Enqueued.NEW, Enqueued.KNOWN, Enqueued.UNKNOWN_TASK))
APPLIED, ALREADY, GONE = map(SettleAnswer, (Settled.APPLIED, Settled.ALREADY, Settled.GONE))
_ENQUEUED = {answer.result.value: answer for answer in (NEW, KNOWN, UNKNOWN_TASK)}
_SETTLED = {answer.result.value: answer for answer in (APPLIED, ALREADY, GONE)}


def stale(state: str = "", reason: str = "") -> SettleAnswer:
    """The outcome is not applied; the job has this state and reason."""
    return SettleAnswer(Settled.STALE, state, reason)


def taken(live_job: str) -> EnqueueAnswer:
    """The job is refused: this one has its key."""
    return EnqueueAnswer(Enqueued.TAKEN, live_job)


def parse_settled(answers: Iterable[str]) -> list[SettleAnswer]:
    """Answers of `settle.lua`."""
    return [_SETTLED.get(answer) or _unsettled(answer) for answer in answers]


def _unsettled(answer: str) -> SettleAnswer:
    kind, _, rest = answer.partition(":")
    if kind == Settled.REFUSED:
        return SettleAnswer(Settled.REFUSED, reason=rest)
    state, _, reason = rest.partition(":")
    return SettleAnswer(Settled(kind), state, reason)


def parse_enqueued(answers: Iterable[str]) -> list[EnqueueAnswer]:
    """Answers of `enqueue.lua`."""
    return [_ENQUEUED.get(answer) or _refused(answer) for answer in answers]


def parse_revived(answer: str) -> ReviveAnswer:
    """The answer of `revive.lua`."""
    kind, _, live_job = answer.partition(":")
    return ReviveAnswer(Revived(kind), live_job)


def _refused(answer: str) -> EnqueueAnswer:
    kind, _, live_job = answer.partition(":")
    return EnqueueAnswer(Enqueued(kind), live_job)
