"""Frames that the server sends to a worker (docs/protocol.md); the tests check them."""

from dataclasses import dataclass
from typing import Annotated, Literal

import orjson
from pydantic import Field, JsonValue, TypeAdapter

from infinitas.wire.values import OpenFields

CancelCode = Literal["job_cancelled", "job_timed_out", "job_lost"]
Call = tuple[list[JsonValue], dict[str, JsonValue]]
"""Arguments: positional, named."""


@dataclass(kw_only=True)
class _About(OpenFields):
    job: str
    attempt: int


@dataclass(kw_only=True)
class Hello(OpenFields):
    """First. Send `identify` now; beat every `beat_ms`; accept a job within `accept_ms`."""

    t: Literal["hello"]
    protocol: str
    lease_ms: int
    beat_ms: int
    accept_ms: int
    max_frame: int


@dataclass(kw_only=True)
class Verdict(_About):
    """`lost`: the job is no longer yours; stop its code."""

    verdict: Literal["keep", "lost"]


@dataclass(kw_only=True)
class Welcome(OpenFields):
    """Accepted. Another `session` than the one you named: that one is over, and its jobs are lost."""

    t: Literal["welcome"]
    session: str
    now: int
    resumed: list[Verdict]


@dataclass(kw_only=True)
class JobMessage(_About):
    """A job to run. `args` is `[positional, named]`. Accept it, also if you have it already."""

    t: Literal["job"]
    task: str
    args: Call
    due: int
    schedule: str | None
    headers: dict[str, str]
    checkpoint: JsonValue
    timeout: float | None
    soft_timeout: float | None
    uncharged: int
    """Attempts before this one that do not count as tries."""
    lost: bool
    """The attempt before this one died with its worker."""
    age: float
    """Seconds since it was due."""


@dataclass(kw_only=True)
class Cancel(_About):
    """Stop the code, then send any frame that ends the job: the answer has the same code."""

    t: Literal["cancel"]
    code: CancelCode
    reason: str


@dataclass(kw_only=True)
class Limit(_About):
    """A time limit has passed, and the job goes on: `soft_timeout` means wind up."""

    t: Literal["limit"]
    kind: str
    seconds: float


@dataclass(kw_only=True)
class Ack(OpenFields):
    """Stored in Redis: the frame with the id `re`, or the lines of a job up to number `log`."""

    t: Literal["ack"]
    re: str | None = None
    job: str | None = None
    attempt: int | None = None
    log: int | None = None


@dataclass(kw_only=True)
class Err(OpenFields):
    """Refused; nothing was changed. `code`: docs/errors.md. `server_unreachable`: send it again soon."""

    t: Literal["err"]
    code: str
    detail: str = ""
    re: str | None = None
    job: str | None = None
    attempt: int | None = None


@dataclass(kw_only=True)
class BeatAck(OpenFields):
    t: Literal["beat_ack"]


@dataclass(kw_only=True)
class Drain(OpenFields):
    """This server stops. Connect again; your jobs stay yours."""

    t: Literal["drain"]


@dataclass(kw_only=True)
class Stop(OpenFields):
    """A person drains this worker: it gets no more jobs. Finish those that you hold, then send `bye`."""

    t: Literal["stop"]


Message = Hello | Welcome | JobMessage | Cancel | Limit | Ack | Err | BeatAck | Drain | Stop
MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="t")])


def dump(message: Message) -> bytes:
    """A message as JSON. In answers, fields without a value are left out."""
    if isinstance(message, Ack | Err):
        return orjson.dumps({name: value for name, value in vars(message).items() if value is not None})
    return orjson.dumps(message)
