"""What may be a processor: a function, or another callable, made one function with name and signature."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeGuard

from infinitas.core.errors import ConfigError
from infinitas.core.names import shorten

Function = Callable[..., Any]
MOST_AWAITS = 10
_LAMBDA = "<lambda>"


def processor_of(given: Any) -> Function:
    """The function whose call runs the work of `given`.

    Raises:
        ConfigError: `given` can't run as a job; the text has the reason and the remedy.
    """
    if isinstance(given, staticmethod):
        return processor_of(given.__func__)
    if isinstance(given, type):
        raise _refusal(given, "is a class. Declare a function that makes and uses the object")
    if not callable(given):
        raise _refusal(given, _why_not_callable(given))
    _refuse_generator(given)
    if inspect.isroutine(given):
        parameters = _signature(given).parameters
        first = next(iter(parameters), "")
        if first in ("self", "cls") and _is_in_class_body(given):
            raise _refusal(
                given,
                f"is a method, and `{first}` would be an argument of its jobs. Declare the method of an "
                "object, `app.task(shop.restock)`, or a function that calls it",
            )
        return given
    return _function_of(given)


def default_name(function: Function) -> str:
    """The name of a task that has none. Raises ConfigError: a lambda has none either."""
    if function.__name__ == _LAMBDA:
        raise _refusal(function, "has no name of its own. Give the task one: `app.task(function, name=…)`")
    return function.__name__


def is_async(function: object) -> bool:
    """Whether a call only makes a coroutine, so that it belongs into the event loop."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(type(function).__call__)


def is_awaitable(value: object) -> TypeGuard[Awaitable[object]]:
    """Whether a processor returned work that is still to be awaited."""
    return value is not None and inspect.isawaitable(value)


async def awaited(value: Any) -> object:
    """What `value` gives in the end: a wrapper of an async function may return its coroutine.

    Raises:
        TypeError: it gives awaitable after awaitable.
    """
    for _ in range(MOST_AWAITS):
        if not is_awaitable(value):
            return value
        value = await value
    discard(value)
    raise TypeError(f"the processor returned a {type(value).__name__} that gives awaitables without end")


def discard(value: object) -> None:
    """Drop what a processor returned; Python would warn of a coroutine that was never awaited."""
    if inspect.iscoroutine(value):
        value.close()


def _function_of(given: Function) -> Function:
    """A plain function that calls a partial, or an object that is called like a function."""
    bound: Collection[str] = ()
    if isinstance(given, functools.partial):
        inner: Any = processor_of(given.func)
        given = functools.partial(inner, *given.args, **given.keywords)
        # Not for senders: such a value often has no JSON form, e.g. a client or a connection.
        name, bound = inner.__name__, given.keywords
    else:
        # An object around a function (`functools.update_wrapper`) has that function's name and signature.
        inner = given if hasattr(given, "__wrapped__") else given.__call__  # type: ignore[operator]
        name = str(getattr(given, "__name__", None) or type(given).__name__)
    whole = _signature(given)
    signature = whole.replace(parameters=[p for p in whole.parameters.values() if p.name not in bound])

    def call(*args: Any, **kwargs: Any) -> Any:
        return given(*args, **kwargs)

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        return given(*args, **kwargs)

    function: Any = functools.update_wrapper(call_async if is_async(given) else call, inner)
    function.__signature__, function.__name__ = signature, name
    return function  # type: ignore[no-any-return]


def _signature(given: Function) -> inspect.Signature:
    try:
        return inspect.signature(given)
    except (TypeError, ValueError):
        raise _refusal(
            given, "has no signature that Python can read. Declare a `def` that calls it"
        ) from None


def _refuse_generator(given: Function) -> None:
    code = given if inspect.isroutine(given) or isinstance(given, functools.partial) else given.__call__  # type: ignore[operator]
    if inspect.isasyncgenfunction(code):
        raise _refusal(given, "is an async generator. Return a list, or send a job for each item")
    flags = getattr(getattr(inspect.unwrap(_inner(code)), "__code__", None), "co_flags", 0)
    if inspect.isgeneratorfunction(code) and not flags & inspect.CO_ITERABLE_COROUTINE:
        raise _refusal(given, "is a generator. Return a list, or send a job for each item")


def _inner(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _is_in_class_body(function: Function) -> bool:
    """Whether it stands in a class and is not bound, so that its object would be an argument."""
    scope = str(getattr(function, "__qualname__", "")).rpartition(".")[0]
    return scope != "" and not scope.endswith("<locals>") and not inspect.ismethod(function)


def _why_not_callable(given: object) -> str:
    if isinstance(given, classmethod):
        return "is a classmethod. Declare it after its class: `app.task(Shop.restock)`"
    if isinstance(given, functools.partialmethod):
        return "is a partialmethod. Declare the method of an object: `app.task(shop.restock)`"
    if isinstance(given, str):
        return "is no function. A name is given as `@app.task(name=…)`"
    return "is no function"


def _refusal(given: object, why: str) -> ConfigError:
    inner = getattr(_inner(given), "__func__", _inner(given))
    name = getattr(inner, "__qualname__", None)
    return ConfigError(f"@app.task on {name if isinstance(name, str) else shorten(given)}: it {why}.")
