"""A task in code: still the function it wraps, and a handle to send jobs of it."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, ParamSpec, TypeVar

from infinitas.client.lazy import LazyClient
from infinitas.core.errors import BadArgs, InfinitasError, JobTimedOut
from infinitas.core.redaction import with_positions
from infinitas.core.schedule import Schedule
from infinitas.core.task_definition import TaskDefinition
from infinitas.tasks.argument_schema import argument_schema
from infinitas.tasks.arguments import Signature
from infinitas.tasks.exception_classes import Kind, exception_classes, is_one_of
from infinitas.tasks.job import Job
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.processors import is_async
from infinitas.tasks.send_options import SendOptions
from infinitas.tasks.sending import Sender

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
        retry_on: Sequence[Kind] | Kind = BaseException,
        never_retry_on: Sequence[Kind] | Kind = (),
    ) -> None:
        self._retry_on = exception_classes(retry_on, "retry_on", definition.name)
        self._never_retry_on = exception_classes(never_retry_on, "never_retry_on", definition.name)
        if not self.retries_on(TimeoutError, JobTimedOut):
            # Into the definition: the server, which ends late jobs of remote workers, has only that.
            definition = replace(definition, retry_timeouts=False)
        signature = Signature(function, definition.name)
        definition = replace(definition, redact=with_positions(definition.redact, signature.names))
        super().__init__(client, plugins, definition, signature, SendOptions())
        self.name = definition.name
        self.function = function
        self.schedule = schedule
        self.is_async = is_async(function)
        """Its processor runs in the event loop, not in a thread."""
        functools.update_wrapper(self, function)

    @functools.cached_property
    def declared(self) -> TaskDefinition:
        """The definition as a worker stores it: with the schema of the arguments."""
        schema = self.definition.parameters or argument_schema(self.function, self.signature.names)
        return replace(self.definition, parameters=schema)

    def __call__(self, *args: Call.args, **kwargs: Call.kwargs) -> Returned:
        """Call the plain function; nothing is sent."""
        return self.function(*args, **kwargs)

    def run_code(self, job: Job, code: Callable[[], Any]) -> Any:
        """Run the code of a job in this thread, within the plugins' `around_code`."""
        if not self._plugins.around_any_code:
            return code()
        with self._plugins.around_code(job):
            return code()
        raise InfinitasError("The hook around_code of a plugin has suppressed what the processor raised.")

    def retries_on(self, *kinds: Kind) -> bool:
        """Whether what any of these exception classes stands for is worth another attempt."""
        if any(is_one_of(kind, self._never_retry_on) for kind in kinds):
            return False
        return any(is_one_of(kind, self._retry_on) for kind in kinds)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"


AnyTask = Task[..., ..., Any, Any]


def name_of(task: AnyTask | str) -> str:
    """The name of a task, or the name as it is. Raises BadArgs: it is named by something else."""
    if isinstance(task, str):
        return task
    if isinstance(task, Task):
        return task.name
    raise BadArgs(f"A task is named by its name or by itself, not by a {type(task).__name__}.")
