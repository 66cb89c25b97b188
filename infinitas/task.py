"""A task in code: still the function it wraps, and a handle to send jobs of it."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from infinitas.core.schedule import Schedule
from infinitas.core.task import TaskDefinition
from infinitas.signature import Signature

if TYPE_CHECKING:
    from infinitas.app import Infinitas

Call = ParamSpec("Call")
Send = ParamSpec("Send")
Result = TypeVar("Result")


class Task(Generic[Call, Send, Result]):
    """What `@app.task` makes of a function. `Call` are its parameters, `Send` those less a leading Job."""

    def __init__(
        self,
        app: "Infinitas",
        function: Callable[Call, Result],
        definition: TaskDefinition,
        schedule: Schedule | None,
    ) -> None:
        self.app = app
        self.name = definition.name
        self.function = function
        self.definition = definition
        self.schedule = schedule
        self.signature = Signature(function, definition.name)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Call.args, **kwargs: Call.kwargs) -> Result:
        """Call the plain function; nothing is sent."""
        return self.function(*args, **kwargs)

    def send(self, *args: Send.args, **kwargs: Send.kwargs) -> str:
        """Send one job now, from sync code. Returns its id.

        Raises:
            BadArgs: the arguments don't match the annotations or have no JSON form.
            PayloadTooLarge: their JSON has more than 256 kB.
            ServerUnreachable: Redis gave no answer; nothing is known to be stored.
        """
        text = self.signature.encode(args, kwargs)
        return self.app.bridge.wait(self.app.deliver(self, [text]))[0]

    delay = send

    async def asend(self, *args: Send.args, **kwargs: Send.kwargs) -> str:
        """`send` for async code."""
        text = self.signature.encode(args, kwargs)
        return (await self.app.bridge.join(self.app.deliver(self, [text])))[0]

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"
