"""What a worker may send: the frames of `infinitas.v1`, checked once, here (docs/protocol.md)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from infinitas.core.codec import AFTER_LAST_MS
from infinitas.core.errors import BadFrame
from infinitas.core.names import MAX_LEVEL_CHARS
from infinitas.core.states import Reason
from infinitas.server.routes.schedules import Change
from infinitas.wire import values
from infinitas.wire.values import Text, Whole

PROTOCOL = "infinitas.v1"
MAX_FRAME_BYTES = 1024 * 1024
MOST_IN_A_FRAME = 500
PRINTABLE = r"^[ -~]*$"
Id = Annotated[Text, Field(min_length=1, max_length=values.MAX_TEXT_CHARS)]
Number = Annotated[Whole, Field(ge=0, lt=1 << 30)]
Stamp = Annotated[Whole, Field(ge=0, lt=AFTER_LAST_MS)]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Held(_Frame):
    """A job, and the attempt at it: the fence that every word about it must name."""

    job: Id
    attempt: Number


class TaskEntry(_Frame):
    """A task that the worker serves. With `options` (docs/tasks.md) it is declared, else it must be known."""

    name: str
    options: dict[str, JsonValue] | None = None
    schedule: Change | None = None


class Identify(_Frame):
    """The first frame: who connects. With `session`, it goes on where another connection ended."""

    t: Literal["identify"]
    token: str | None = Field(default=None, max_length=200)
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,120}$")
    """What the worker would like to be called; it is, unless somebody was called so before."""
    host: str = Field(default="", max_length=255, pattern=PRINTABLE)
    pid: Number = 0
    version: str = Field(default="", max_length=100, pattern=PRINTABLE)
    tasks: list[TaskEntry] = Field(min_length=1, max_length=10_000)
    capacity: Whole = Field(ge=0, le=10_000)
    session: Id | None = None
    in_flight: list[Held] = Field(default=[], max_length=10_000)


class Capacity(_Frame):
    """How many jobs the worker will hold at once; absolute, so that no lost frame can shift it."""

    t: Literal["capacity"]
    n: Whole = Field(ge=0, le=10_000)


class Accept(Held):
    t: Literal["accept"]


class Reject(Held):
    """The worker does not begin this job: back into the queue, the attempt is not counted."""

    t: Literal["reject"]
    reason: Text = Field(default="", max_length=500)


class Beat(_Frame):
    t: Literal["beat"]


class Progress(Held):
    t: Literal["progress"]
    value: Annotated[values.Number, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    step: Text | None = Field(default=None, max_length=200)


class Checkpoint(Held):
    t: Literal["checkpoint"]
    id: Id
    value: JsonValue


class LogLine(_Frame):
    """One line. `seq` counts from 0 within the attempt; `at` is milliseconds since 1970, to the year 8999."""

    seq: Number
    at: Stamp
    level: str = Field(default="info", min_length=1, max_length=MAX_LEVEL_CHARS, pattern=PRINTABLE)
    text: str


class Log(Held):
    """Lines in order of `seq`. Repeat those that no ack has named; a line sent twice is kept once."""

    t: Literal["log"]
    lines: list[LogLine] = Field(min_length=1, max_length=1000)


class Done(Held):
    t: Literal["done"]
    id: Id
    result: JsonValue = None


class Fail(Held):
    """`retry`: "default" (as the task says), "never", or seconds to wait before the next attempt."""

    t: Literal["fail"]
    id: Id
    error: str
    traceback: str | None = None
    reason: Literal[Reason.ERROR, Reason.TIMED_OUT, Reason.BAD_ARGS, Reason.BAD_RESULT, Reason.CRASHED] = (
        Reason.ERROR
    )
    retry: Literal["default", "never"] | Annotated[values.Number, Field(ge=0, le=31_536_000)] = "default"


class Release(Held):
    """The worker gives a job up that it has begun: back into the queue, the attempt is not counted."""

    t: Literal["release"]
    id: Id


class Bye(_Frame):
    """The worker stops: it gets no more jobs; when it holds none, it is signed off and the socket closed."""

    t: Literal["bye"]


Word = Accept | Reject | Progress | Checkpoint | Log | Done | Fail | Release
"""About one job."""
Frame = Identify | Capacity | Beat | Bye | Word
FRAMES: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="t")])
_TEXTS: TypeAdapter[Frame | list[Frame]] = TypeAdapter(
    Annotated[Frame, Field(discriminator="t")]
    | Annotated[list[Annotated[Frame, Field(discriminator="t")]], Field(max_length=MOST_IN_A_FRAME)]
)


def parse(text: str | bytes) -> list[Frame]:
    """A message of the socket: one frame, or a list of them. Raises BadFrame."""
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
