"""A task in code: still the function it wraps, and a handle to send jobs of it."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, ParamSpec, TypeVar

from infinitas.client.lazy import LazyClient
from infinitas.core.redaction import with_positions
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.tasks.argument_schema import argument_schema
from infinitas.tasks.arguments import Signature
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.sending import Sender, SendOptions

Call = ParamSpec("Call")
Send = ParamSpec("Send")
Returned = TypeVar("Returned")
Value = TypeVar("Value")


class Task(Sender[Send, Value], Generic[Call, Send, Returned, Value]):
    """What `@app.task` makes of a function: still that function, and the sender of its jobs.

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
        signature = Signature(function, definition.name)
        if definition.redact:
            definition = replace(definition, redact=with_positions(definition.redact, signature.names))
        super().__init__(client, plugins, definition, signature, SendOptions())
        self.name = definition.name
        self.function = function
        self.schedule = schedule
        self._retry_on = tuple(retry_on)
        self._never_retry_on = tuple(never_retry_on)
        functools.update_wrapper(self, function)

    @functools.cached_property
    def declared(self) -> TaskDefinition:
        """The definition as a worker stores it: with the schema of the arguments."""
        schema = self.definition.parameters or argument_schema(self.function, self.signature.names)
        return replace(self.definition, parameters=schema)

    def __call__(self, *args: Call.args, **kwargs: Call.kwargs) -> Returned:
        """Call the plain function; nothing is sent."""
        return self.function(*args, **kwargs)

    def retries_on(self, error: BaseException) -> bool:
        """Whether such an exception is worth another attempt."""
        return isinstance(error, self._retry_on) and not isinstance(error, self._never_retry_on)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"


AnyTask = Task[..., ..., Any, Any]
