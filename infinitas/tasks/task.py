"""A task in code: still the function it wraps, and a handle to send jobs of it."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

import orjson

from infinitas.core.codec import instant_ms
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_name, shorten
from infinitas.core.numbers import is_number
from infinitas.core.redaction import with_positions
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import YEAR_S, TaskDefinition
from infinitas.tasks.arguments import Signature
from infinitas.tasks.handle import Handle

if TYPE_CHECKING:
    from infinitas.app.app import Infinitas

Call = ParamSpec("Call")
Send = ParamSpec("Send")
Returned = TypeVar("Returned")
Value = TypeVar("Value")
MAX_HEADERS_BYTES = 8 * 1024
MAX_DELAY_S = 100 * 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How a job is sent, beside its arguments; see `Task.using`."""

    key: str | None = None
    at: datetime | None = None
    delay: float | None = None
    expires: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.key is not None:
            check_name(self.key, "key")
        if self.at is not None:
            instant_ms(self.at, "at")
        if self.expires is not None and not (is_number(self.expires) and 0 < self.expires <= YEAR_S):
            raise BadArgs(f"expires={shorten(self.expires)}: seconds above 0, up to a year.")
        check_headers(self.headers)


def check_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """`headers`, if they can travel with a job. Raises BadArgs."""
    if not isinstance(headers, Mapping) or not all(
        isinstance(part, str) for item in headers.items() for part in item
    ):
        raise BadArgs("Headers are text: names and values.")
    try:
        orjson.dumps(dict(headers))
    except TypeError as error:
        raise BadArgs(f"The headers are not valid Unicode: {error}.") from None
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADERS_BYTES:
        raise BadArgs(f"The headers are longer than {MAX_HEADERS_BYTES:,} characters.")
    return headers


def check_delay(delay: object) -> float:
    """Seconds of a delay; one below 0 is none. Raises BadArgs."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds <= MAX_DELAY_S:
        raise BadArgs(f"delay={shorten(delay)}: seconds, or a timedelta, up to 100 years.")
    return max(seconds, 0)


class Task(Generic[Call, Send, Returned, Value]):
    """What `@app.task` makes of a function.

    `Call` are its parameters, `Send` those less a leading Job; it returns `Returned`, which for an
    async function is a coroutine of `Value`.
    """

    def __init__(
        self,
        app: "Infinitas",
        function: Callable[Call, Returned],
        definition: TaskDefinition,
        schedule: Schedule | None,
        retry_on: Sequence[type[BaseException]] = (BaseException,),
        never_retry_on: Sequence[type[BaseException]] = (),
    ) -> None:
        self.app = app
        self.name = definition.name
        self.function = function
        self.definition = definition
        self.schedule = schedule
        self.signature = Signature(function, definition.name)
        if definition.redact:
            hidden = with_positions(definition.redact, self.signature.names)
            self.definition = replace(definition, redact=hidden)
        self._sender: Sender[Send, Value] = Sender(self, SendOptions())
        self._retry_on = tuple(retry_on)
        self._never_retry_on = tuple(never_retry_on)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Call.args, **kwargs: Call.kwargs) -> Returned:
        """Call the plain function; nothing is sent."""
        return self.function(*args, **kwargs)

    def send(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """Send one job now, from sync code.

        Raises:
            BadArgs: the arguments don't match the annotations or have no JSON form.
            PayloadTooLarge: their JSON has more than 256 kB.
            ServerUnreachable: Redis gave no answer; nothing is known to be stored.
        """
        return self._sender.send(*args, **kwargs)

    delay = send

    async def asend(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """`send` for async code."""
        return await self._sender.asend(*args, **kwargs)

    def send_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """Send one job per tuple of positional arguments, some hundred in a round trip."""
        return self._sender.send_many(calls)

    async def asend_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """`send_many` for async code."""
        return await self._sender.asend_many(calls)

    def using(
        self,
        *,
        key: str | None = None,
        at: datetime | None = None,
        delay: float | timedelta | None = None,
        expires: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Sender[Send, Value]":
        """Options for one send: `task.using(key="order-7", delay=60).send(7)`.

        Args:
            key: a business key; while a job of this task with that key lives, a second is refused.
            at: not before this aware moment.
            delay: seconds, or a timedelta, from when Redis accepts the job, by Redis' clock; up to 100 years.
            expires: seconds after its time at which the job is skipped if it has not started.
            headers: text that travels with the job, e.g. a trace id.

        Raises:
            BadArgs, BadName: an option is wrong.
        """
        if delay is not None and at is not None:
            raise BadArgs("Give either at= or delay=.")
        wait = None if delay is None else check_delay(delay)
        return Sender(
            self, SendOptions(key=key, at=at, delay=wait, expires=expires, headers=dict(headers or {}))
        )

    def retries_on(self, error: BaseException) -> bool:
        """Whether such an exception is worth another attempt."""
        return isinstance(error, self._retry_on) and not isinstance(error, self._never_retry_on)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"


class Sender(Generic[Send, Value]):
    """A task with options for sending; see `Task.using`."""

    def __init__(self, task: "Task[Any, Send, Any, Value]", options: SendOptions) -> None:
        self._task = task
        self._options = options

    def send(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """Send one job, from sync code. Raises what `Task.send` does, and KeyTaken."""
        return self._wait([self._task.signature.encode(args, kwargs)])[0]

    async def asend(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """`send` for async code."""
        return (await self._join([self._task.signature.encode(args, kwargs)]))[0]

    def send_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """Send one job per tuple of positional arguments, some hundred in a round trip."""
        return self._wait([self._task.signature.encode(args, {}) for args in calls])

    async def asend_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """`send_many` for async code."""
        return await self._join([self._task.signature.encode(args, {}) for args in calls])

    def _wait(self, texts: list[str]) -> list[Handle[Value]]:
        app = self._task.app
        ids = app.deliver(self._task.definition, texts, self._options)
        return [Handle(app, id) for id in ids]

    async def _join(self, texts: list[str]) -> list[Handle[Value]]:
        app = self._task.app
        ids = await app.adeliver(self._task.definition, texts, self._options)
        return [Handle(app, id) for id in ids]


AnyTask = Task[..., ..., Any, Any]
