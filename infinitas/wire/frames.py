"""Frames that a worker sends in `infinitas.v1` (docs/protocol.md).

The server parses and checks them; the worker builds them without checks, which would cost time.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

import orjson
from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from infinitas.core.codec import AFTER_LAST_MS
from infinitas.core.errors import BadFrame
from infinitas.core.names import MAX_LEVEL_CHARS
from infinitas.core.schedule import Schedule
from infinitas.core.states import Reason
from infinitas.core.task_definition import TaskDefinition
from infinitas.wire.schedules import Change
from infinitas.wire.values import MAX_TEXT_CHARS, NUMBER, OpenFields, Text

PROTOCOL = "infinitas.v1"
MAX_FRAME_BYTES = 1024 * 1024
MOST_IN_A_FRAME = 500
PRINTABLE = r"^[ -~]*$"
Id = Annotated[Text, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
Count = Annotated[int, Field(ge=0, lt=1 << 30), NUMBER]
CapacityCount = Annotated[int, Field(ge=0, le=10_000), NUMBER]
FailReason = Literal[Reason.ERROR, Reason.TIMED_OUT, Reason.BAD_ARGS, Reason.BAD_RESULT, Reason.CRASHED]
Timestamp = Annotated[int, Field(ge=0, lt=AFTER_LAST_MS), NUMBER]


@dataclass(kw_only=True)
class Held(OpenFields):
    """A job, and the attempt at it: the fence that every frame about it must name."""

    job: Id
    attempt: Count


@dataclass(kw_only=True)
class TaskEntry(OpenFields):
    """A task that the worker serves. With `options` (docs/tasks.md) it is declared, else it must be known."""

    name: str
    options: dict[str, JsonValue] | None = None
    schedule: Change | None = None

    @classmethod
    def of(cls, task: TaskDefinition, schedule: Schedule | None) -> "TaskEntry":
        """The declaration of a task."""
        rule = None if schedule is None else Change.of(schedule)
        return cls(name=task.name, options=task.options, schedule=rule)


@dataclass(kw_only=True)
class Identify(OpenFields):
    """The first frame: the worker's name, place and tasks. With `session` it resumes a session."""

    t: Literal["identify"]
    token: Annotated[str | None, Field(max_length=200)] = None
    name: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9._-]{1,120}$")] = None
    """Requested worker name; ignored if taken."""
    host: Annotated[str, Field(max_length=255, pattern=PRINTABLE)] = ""
    pid: Count = 0
    version: Annotated[str, Field(max_length=100, pattern=PRINTABLE)] = ""
    tasks: Annotated[list[TaskEntry], Field(min_length=1, max_length=10_000)]
    capacity: CapacityCount
    session: Id | None = None
    in_flight: Annotated[list[Held], Field(max_length=10_000)] = field(default_factory=list)


@dataclass(kw_only=True)
class Capacity(OpenFields):
    """How many jobs the worker will hold at once; absolute, so that no lost frame can shift it."""

    t: Literal["capacity"]
    n: CapacityCount


@dataclass(kw_only=True)
class Accept(Held):
    t: Literal["accept"]


@dataclass(kw_only=True)
class Reject(Held):
    """The worker does not begin this job: back into the queue, the attempt is not counted."""

    t: Literal["reject"]
    reason: Annotated[Text, Field(max_length=500)] = ""


@dataclass(kw_only=True)
class Beat(OpenFields):
    t: Literal["beat"]


@dataclass(kw_only=True)
class Progress(Held):
    t: Literal["progress"]
    value: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NUMBER] | None = None
    step: Annotated[Text | None, Field(max_length=200)] = None


@dataclass(kw_only=True)
class Checkpoint(Held):
    t: Literal["checkpoint"]
    id: Id
    value: JsonValue


@dataclass(kw_only=True)
class LogLine(OpenFields):
    """One line. `seq` counts from 0 within the attempt; `at` is milliseconds since 1970, to the year 8999."""

    seq: Count
    at: Timestamp
    level: Annotated[str, Field(min_length=1, max_length=MAX_LEVEL_CHARS, pattern=PRINTABLE)] = "info"
    text: str


@dataclass(kw_only=True)
class Log(Held):
    """Lines in order of `seq`. Repeat those that no ack has named; a line sent twice is kept once."""

    t: Literal["log"]
    lines: Annotated[list[LogLine], Field(min_length=1, max_length=1000)]


@dataclass(kw_only=True)
class Done(Held):
    t: Literal["done"]
    id: Id
    result: JsonValue = None


@dataclass(kw_only=True)
class Fail(Held):
    """`retry`: "default" (by the task's options), "never", or seconds to wait before the next attempt."""

    t: Literal["fail"]
    id: Id
    error: str
    traceback: str | None = None
    reason: FailReason = Reason.ERROR
    retry: Literal["default", "never"] | Annotated[float, Field(ge=0, le=31_536_000), NUMBER] = "default"


@dataclass(kw_only=True)
class Release(Held):
    """The worker gives up a job that it has begun: back into the queue, the attempt is not counted."""

    t: Literal["release"]
    id: Id


@dataclass(kw_only=True)
class Bye(OpenFields):
    """The worker stops: it gets no more jobs. When it holds none, its session ends and the socket closes."""

    t: Literal["bye"]


JobFrame = Accept | Reject | Progress | Checkpoint | Log | Done | Fail | Release
"""A frame about one job."""
Frame = Identify | Capacity | Beat | Bye | JobFrame
KINDS = frozenset(
    {"identify", "capacity", "beat", "bye", "accept", "reject", "progress", "checkpoint", "log"}
    | {"done", "fail", "release"}
)
FRAMES: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="t")])
_TEXTS: TypeAdapter[Frame | list[Frame]] = TypeAdapter(
    Annotated[Frame, Field(discriminator="t")]
    | Annotated[
        list[Annotated[Frame, Field(discriminator="t")]], Field(min_length=1, max_length=MOST_IN_A_FRAME)
    ]
)


def parse(text: str | bytes) -> list[Frame]:
    """The frames of one WebSocket message: one, or a list of them, without those of unknown kinds.

    Raises BadFrame.
    """
    try:
        return _parse(text)
    except BadFrame:
        known = _of_known_kinds(text)
        if known is None:
            raise
        return _parse(known) if known != b"[]" else []


def _of_known_kinds(text: str | bytes) -> bytes | None:
    """The frames without those of a later version; None if there are no such."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return None
    listed = found if isinstance(found, list) else [found]
    known = [frame for frame in listed[: MOST_IN_A_FRAME + 1] if not _is_of_the_future(frame)]
    return orjson.dumps(known) if len(known) < len(listed) <= MOST_IN_A_FRAME else None


def _is_of_the_future(frame: object) -> bool:
    kind = frame.get("t") if isinstance(frame, dict) else None
    return isinstance(kind, str) and kind not in KINDS


def _parse(text: str | bytes) -> list[Frame]:
    try:
        if text[:1] in ("[", b"["):
            found = _TEXTS.validate_json(text)
            return found if isinstance(found, list) else [found]
        return [FRAMES.validate_json(text)]
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])[:80]
        raise BadFrame(
            f"That is no frame of {PROTOCOL}: {where + ': ' if where else ''}{fault['msg'][:200]}."
        ) from None
    except (RecursionError, ValueError) as error:
        raise BadFrame(f"That is no frame of {PROTOCOL}: {str(error)[:200]}.") from None


def dump(frame: Frame) -> bytes:
    """A frame as JSON."""
    return orjson.dumps(frame, default=_dump_rule)


def embed(text: str | None) -> JsonValue:
    """JSON text as a value of a frame that is dumped."""
    return None if text is None else cast(JsonValue, orjson.Fragment(text))


def _dump_rule(rule: object) -> object:
    if isinstance(rule, Change):
        return rule.model_dump(mode="json", exclude_unset=True)
    raise TypeError
