"""`@app.task(...)` with options: what a type checker makes of the function under it."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from infinitas.tasks.job import Job
from infinitas.tasks.task import Task

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
