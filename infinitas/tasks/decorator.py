"""`@app.task`, with options or without: what a type checker makes of the function under it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack, overload

from infinitas.tasks.job import Job
from infinitas.tasks.options import TaskOptions
from infinitas.tasks.task import AnyTask, Task

P = ParamSpec("P")
R = TypeVar("R")
Async = Coroutine[Any, Any, R]


class Decorator:
    """`@app.task(...)` with options."""

    def __init__(self, add: Callable[..., Any], options: dict[str, Any]) -> None:
        self._add = add
        self._options = options

    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, P], Async[R]], /
    ) -> Task[Concatenate[Job, P], P, Async[R], R]: ...
    @overload
    def __call__(self, function: Callable[P, Async[R]], /) -> Task[P, P, Async[R], R]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, P], R], /
    ) -> Task[Concatenate[Job, P], P, R, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, P, R, R]: ...

    def __call__(self, function: Callable[..., Any], /) -> Any:
        return self._add(function, **self._options)


class DeclaresTasks(ABC):
    """What has tasks: an app, and a collection that an app includes."""

    @overload
    def task(
        self, function: Callable[Concatenate[Job, P], Async[R]], /, **options: Unpack[TaskOptions]
    ) -> Task[Concatenate[Job, P], P, Async[R], R]: ...
    @overload
    def task(
        self, function: Callable[P, Async[R]], /, **options: Unpack[TaskOptions]
    ) -> Task[P, P, Async[R], R]: ...
    @overload
    def task(
        self, function: Callable[Concatenate[Job, P], R], /, **options: Unpack[TaskOptions]
    ) -> Task[Concatenate[Job, P], P, R, R]: ...
    @overload
    def task(self, function: Callable[P, R], /, **options: Unpack[TaskOptions]) -> Task[P, P, R, R]: ...
    @overload
    def task(self, **options: Unpack[TaskOptions]) -> Decorator: ...

    def task(self, *functions: Any, **options: Any) -> Any:
        """Make a function a task: `@app.task` or `@app.task(schedule="*/15 * * * *", timeout=60)`.

        A function that stands elsewhere: `app.task(function, name="nightly", retries=2)`.

        Options: `name` (default: the function's), `schedule` (cron text or `every(...)`),
        its options as in `schedule`, `args` and `kwargs` for its jobs; `retry_on` and
        `never_retry_on` are exception classes; the others: `TaskDefinition`.

        Raises:
            DuplicateTask: the app, or the collection, has a task of that name.
            BadName, BadSchedule, BadArgs, ConfigError: an option is wrong.

        >>> from infinitas import Infinitas, Job, every
        >>> mine = Infinitas()
        >>> @mine.task(schedule=every(hours=6), timeout=60, retries=3)
        ... def sync_stock(job: Job, shop: str = "main") -> None:
        ...     job.log(f"syncs {shop}")
        >>> mine.tasks["sync_stock"].definition.retries
        3
        """
        declare = Decorator(self._declare, options)
        return declare(*functions) if functions else declare

    @abstractmethod
    def _declare(self, function: Callable[..., Any], **options: Any) -> AnyTask: ...
