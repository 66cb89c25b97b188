"""What the server sends to a worker, for those who write clients (docs/protocol.md); the tests check it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _About(_Message):
    job: str
    attempt: int


class Hello(_Message):
    """First. Say `identify` now; beat every `beat_ms`; accept a job within `accept_ms`."""

    t: Literal["hello"]
    protocol: str
    lease_ms: int
    beat_ms: int
    accept_ms: int
    max_frame: int


class Verdict(_About):
    """`lost`: somebody else has the job now; stop its code."""

    verdict: Literal["keep", "lost"]


class Welcome(_Message):
    """You are in. Another `session` than the one you named: that one is over, and its jobs are lost."""

    t: Literal["welcome"]
    session: str
    now: int
    resumed: list[Verdict]


class JobMessage(_About):
    """A job to run. `args` is `[positional, named]`. Accept it, also when you have it already."""

    t: Literal["job"]
    task: str
    args: tuple[list[JsonValue], dict[str, JsonValue]]
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


class Cancel(_About):
    """Stop the code, then say anything that ends the job: the answer will be the same code."""

    t: Literal["cancel"]
    code: Literal["job_cancelled", "job_timed_out", "job_lost"]
    reason: str


class Limit(_About):
    """A limit is over, and the job goes on: `soft_timeout` means wind up."""

    t: Literal["limit"]
    kind: str
    seconds: float


class Ack(_Message):
    """Redis has it: the frame with the id `re`, or the lines of a job up to number `log`."""

    t: Literal["ack"]
    re: str | None = None
    job: str | None = None
    attempt: int | None = None
    log: int | None = None


class Err(_Message):
    """Refused; nothing was changed. `code`: docs/errors.md. `server_unreachable`: say it again soon."""

    t: Literal["err"]
    code: str
    detail: str = ""
    re: str | None = None
    job: str | None = None
    attempt: int | None = None


class BeatAck(_Message):
    t: Literal["beat_ack"]


class Drain(_Message):
    """This server stops. Connect again; your jobs stay yours."""

    t: Literal["drain"]


Message = Hello | Welcome | JobMessage | Cancel | Limit | Ack | Err | BeatAck | Drain
MESSAGES: TypeAdapter[Any] = TypeAdapter(Annotated[Message, Field(discriminator="t")])
