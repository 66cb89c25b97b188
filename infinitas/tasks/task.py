"""A task in code: still the function it wraps, and a handle to send jobs of it."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, TypeVar

from infinitas.client.lazy import LazyClient
from infinitas.core.errors import BadArgs
from infinitas.core.redaction import with_positions
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.tasks.arguments import Signature
from infinitas.tasks.handle import Handle
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.sending import Sender, SendOptions, check_delay

Call = ParamSpec("Call")
Send = ParamSpec("Send")
Returned = TypeVar("Returned")
Value = TypeVar("Value")


class Task(Generic[Call, Send, Returned, Value]):
    """What `@app.task` makes of a function: still that function, and a handle to send jobs of it.

    `Call` are its parameters, `Send` those less a leading Job; it returns `Returned`, which for an
    async function is a coroutine of `Value`.

    >>> add(1, 2)  # the plain function
    3
    >>> add.send(1, 2).get(timeout=20)  # a job
    3
    """

    def __init__(
        self,
        client: LazyClient,
        plugins: Plugins,
        function: Callable[Call, Returned],
        definition: TaskDefinition,
        schedule: Schedule | None,
        retry_on: Sequence[type[BaseException]] = (BaseException,),
        never_retry_on: Sequence[type[BaseException]] = (),
    ) -> None:
        self.client = client
        self.name = definition.name
        self.function = function
        self.definition = definition
        self.schedule = schedule
        self.signature = Signature(function, definition.name)
        if definition.redact:
            hidden = with_positions(definition.redact, self.signature.names)
            self.definition = replace(definition, redact=hidden)
        self._sender: Sender[Send, Value] = Sender(
            client, plugins, self.definition, self.signature, SendOptions()
        )
        self._retry_on = tuple(retry_on)
        self._never_retry_on = tuple(never_retry_on)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Call.args, **kwargs: Call.kwargs) -> Returned:
        """Call the plain function; nothing is sent."""
        return self.function(*args, **kwargs)

    def send(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """Send one job now, from sync code.

        Args:
            args, kwargs: the processor's own, without the Job.

        Returns:
            A handle: its `id`, and the job's result once it has ended.

        Raises:
            BadArgs: the arguments don't match the annotations or have no JSON form.
            PayloadTooLarge: their JSON has more than 256 kB.
            ServerUnreachable: Redis gave no answer; the job may or may not be stored.

        >>> handle = add.send(1, b=2)
        >>> app.fetch_job(handle.id).task
        'add'
        """
        return self._sender.send(*args, **kwargs)

    delay = send

    async def asend(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """`send` for async code."""
        return await self._sender.asend(*args, **kwargs)

    def send_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """Send one job per tuple of positional arguments, some hundred in a round trip.

        Raises what `send` does; with BadArgs and PayloadTooLarge none is sent.

        >>> [handle.get(timeout=20) for handle in add.send_many([(1, 2), (3, 4)])]
        [3, 7]
        """
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
    ) -> Sender[Send, Value]:
        """Options for one send.

        Args:
            key: a business key; while a job of this task with that key lives, a second is refused.
            at: not before this aware moment.
            delay: seconds, or a timedelta, from when Redis accepts the job, by Redis' clock; up to 100 years.
            expires: seconds after its time at which the job is skipped if it has not started.
            headers: text that travels with the job, e.g. a trace id.

        Returns:
            The same task with these options; it has `send`, `asend`, `send_many`, `asend_many`,
            which also raise KeyTaken: a live job has the key.

        Raises:
            BadArgs, BadName: an option is wrong.

        >>> later = add.using(key="order-7", delay=3600).send(1, 2)
        >>> app.fetch_job(later.id).state.value
        'scheduled'
        >>> app.cancel(later.id, reason="not needed").state.value
        'cancelled'
        """
        if delay is not None and at is not None:
            raise BadArgs("Give either at= or delay=.")
        wait = None if delay is None else check_delay(delay)
        return self._sender.with_options(
            SendOptions(key=key, at=at, delay=wait, expires=expires, headers=dict(headers or {}))
        )

    def retries_on(self, error: BaseException) -> bool:
        """Whether such an exception is worth another attempt."""
        return isinstance(error, self._retry_on) and not isinstance(error, self._never_retry_on)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"


AnyTask = Task[..., ..., Any, Any]
