"""Which callables may be a processor: each runs right, or is refused with its name and the remedy."""

import asyncio
import contextvars
import functools
import math
import operator
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import validate_call

from infinitas import ConfigError, Infinitas, Job, JobTimedOut
from infinitas.tasks.exception_classes import exception_classes
from infinitas.tasks.processors import processor_of
from infinitas.testing import run_inline
from tests.support import PATIENCE_S, finished, running

WORKER_LOOP: contextvars.ContextVar[str] = contextvars.ContextVar("set_by_wrapper", default="")


def add(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


async def add_async(a: int, b: int = 2) -> int:
    await asyncio.sleep(0)
    return a + b


def numbers() -> Iterator[int]:
    yield 1


async def numbers_async() -> AsyncIterator[int]:
    yield 1


class Shop:
    count = 2

    def restock(self, a: int) -> int:
        return a + self.count

    async def restock_async(self, a: int) -> int:
        return a + self.count

    @classmethod
    def of_class(cls, a: int) -> int:
        return a + cls.count

    @staticmethod
    def static(a: int) -> int:
        return a + 2

    later = functools.partialmethod(restock, 1)


class Adder:
    def __call__(self, a: int) -> int:
        """Adds two."""
        return a + 2


class AsyncAdder:
    async def __call__(self, a: int) -> int:
        return a + 2


class Generating:
    def __call__(self) -> Iterator[int]:
        yield 1


class Around:
    """A decorator that is a class."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.inner = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        WORKER_LOOP.set("by the wrapper")
        return function(*args, **kwargs)

    return wrapper


def nameless(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def blocking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Runs an async function to its end, as old code does."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(function(*args, **kwargs))

    return wrapper


def retrying(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        # An async function that returns a coroutine.
        return function(*args, **kwargs)

    return wrapper


RUN_RIGHT: dict[str, tuple[Any, str]] = {
    "function": (add, "add"),
    "async": (add_async, "add_async"),
    "lambda": (lambda a: a + 2, ""),
    "partial": (functools.partial(add, b=2), "add"),
    "partial of a partial": (functools.partial(functools.partial(add, b=7), b=2), "add"),
    "partial of async": (functools.partial(add_async, b=2), "add_async"),
    "partial of an object": (functools.partial(Adder()), "Adder"),
    "method": (Shop().restock, "restock"),
    "async method": (Shop().restock_async, "restock_async"),
    "partial of a method": (functools.partial(Shop().restock), "restock"),
    "bound classmethod": (Shop.of_class, "of_class"),
    "staticmethod": (vars(Shop)["static"], "static"),
    "static function": (Shop.static, "static"),
    "object": (Adder(), "Adder"),
    "async object": (AsyncAdder(), "AsyncAdder"),
    "class decorator": (Around(add), "add"),
    "class decorator of async": (Around(add_async), "add_async"),
    "wraps": (wrapped(add), "add"),
    "wraps async": (wrapped(add_async), "add_async"),
    "wraps async twice": (wrapped(wrapped(add_async)), "add_async"),
    "without wraps": (nameless(add), "wrapper"),
    "without wraps, async": (nameless(add_async), "wrapper"),
    "async around async": (retrying(add_async), "add_async"),
    "asyncio.run inside": (blocking(add_async), "add_async"),
    "validate_call": (validate_call(add), "add"),
    "validate_call of async": (validate_call(add_async), "add_async"),
    "cached": (functools.lru_cache(add), "add"),
    "singledispatch": (functools.singledispatch(add), "add"),
    "builtin": (functools.partial(operator.add, 2), "add"),
}


async def test_each_kind_runs_right(app: Infinitas) -> None:
    handles = {}
    for kind, (given, name) in RUN_RIGHT.items():
        processor = processor_of(given)
        if name:
            assert processor.__name__ == name, kind
        task = app.task(name=kind)(given)
        if given is not RUN_RIGHT["asyncio.run inside"][0]:
            assert (await run_inline(task, 40)).result == 42, kind
        handles[kind] = await task.asend(40)
    async with running(app):
        for kind, handle in handles.items():
            assert await handle.result(PATIENCE_S) == 42, kind


REFUSED: dict[str, tuple[Any, str, str]] = {
    "generator": (numbers, "numbers", "is a generator. Return a list"),
    "async generator": (numbers_async, "numbers_async", "is an async generator. Return a list"),
    "partial of a generator": (functools.partial(numbers), "numbers", "is a generator"),
    "generating object": (Generating(), "Generating", "is a generator"),
    "method without its object": (Shop.restock, "Shop.restock", "is a method, and `self` would be"),
    "classmethod": (vars(Shop)["of_class"], "Shop.of_class", "Declare it after its class"),
    "partialmethod": (vars(Shop)["later"], "partialmethod", "Declare the method of an object"),
    "class": (Shop, "Shop", "is a class. Declare a function"),
    "builtin without signature": (max, "max", "has no signature that Python can read"),
    "object without signature": (operator.itemgetter(1), "itemgetter", "has no signature"),
    "method of a type": (list.append, "list.append", "is a method"),
    "lambda": (lambda: None, "<lambda>", "has no name of its own. Give the task one"),
    "text": ("nightly", "'nightly'", "is no function. A name is given as"),
    "nothing": (None, "None", "is no function"),
    "a number": (math.pi, "3.14", "is no function"),
    "a property": (property(add), "property", "is no function"),
    "a coroutine": (operator.methodcaller("x"), "methodcaller", "has no signature"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_not_run_is_refused_where_it_is_declared(app: Infinitas, kind: str) -> None:
    given, name, why = REFUSED[kind]
    with pytest.raises(ConfigError) as refused:
        app.task(given)
    assert name in str(refused.value)
    assert why in str(refused.value)
    assert app.tasks == {}


def test_methods_are_refused_in_the_class_and_static_ones_are_not(app: Infinitas) -> None:
    with pytest.raises(ConfigError, match=r"Yard\.<?.*method|method"):

        class Yard:
            @app.task
            def sweep(self, a: int) -> None: ...

    class Garden:
        @staticmethod
        @app.task
        def weed(a: int) -> int:
            return a

        @app.task
        @staticmethod
        def water(a: int) -> int:
            return a

    assert (Garden.weed(1), Garden.water(2), Garden().water(3)) == (1, 2, 3)
    assert sorted(app.tasks) == ["water", "weed"]


def test_what_a_partial_has_bound_is_no_argument(app: Infinitas) -> None:
    connection = object()

    def fetch(job: Job, url: str, through: object, retries: int = 3) -> None: ...

    task = app.task(functools.partial(fetch, through=connection))
    assert task.signature.names == ("url", "retries")
    assert task.signature.encode(("/",), {}) == '[["/"],{}]'


async def test_an_awaitable_of_a_thread_is_awaited_in_the_workers_loop_and_the_calls_context(
    app: Infinitas,
) -> None:
    seen: list[object] = []

    async def work() -> None:
        seen.extend([asyncio.get_running_loop(), threading.current_thread(), WORKER_LOOP.get()])

    task = app.task(wrapped(work))
    async with running(app):
        await finished(app, await task.asend())
    assert seen == [asyncio.get_running_loop(), threading.main_thread(), "by the wrapper"]


async def test_limits_and_cancels_reach_an_awaitable_of_a_thread(app: Infinitas) -> None:
    stopped: list[str] = []
    begun = asyncio.Event()

    async def work(name: str) -> None:
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            stopped.append(name)
            raise

    slow = app.task(timeout=0.2)(wrapped(work))
    endless = app.task(name="endless")(wrapped(work))
    async with running(app):
        late = await finished(app, await slow.asend("late"))
        assert (late.state, late.reason) == ("failed", "timed_out")
        begun.clear()
        handle = await endless.asend("cancelled")
        await begun.wait()
        await app.acancel(handle.id)
        assert (await finished(app, handle)).state == "cancelled"
    assert stopped == ["late", "cancelled"]


async def test_an_awaitable_that_comes_after_the_limit_does_not_begin(app: Infinitas) -> None:
    go, began, returned = threading.Event(), list[str](), threading.Event()

    async def work() -> None:
        began.append("too late")

    def slow() -> Any:
        go.wait(PATIENCE_S)
        returned.set()
        return work()

    task = app.task(timeout=0.1)(slow)
    async with running(app):
        job = await finished(app, await task.asend())
        assert job.reason == "timed_out"
        go.set()
        returned.wait(PATIENCE_S)
    assert began == []


class Asking(type):
    def __instancecheck__(cls, instance: object) -> bool:
        raise OSError("no")

    __subclasscheck__ = __instancecheck__


class Strange(Exception, metaclass=Asking): ...


class Posing:
    """An object that claims to be a class of exceptions."""

    __class__ = property(lambda self: type)

    def __repr__(self) -> str:
        raise OSError("no")


@pytest.mark.parametrize(
    "given",
    [
        ("ValueError",),
        (OSError, "x"),
        [ValueError, None],
        (ValueError, (OSError,)),
        "ValueError",
        None,
        5,
        int,
        ValueError(),
        list[int],
        Posing(),
        [Posing()],
        iter([OSError]),
        {"OSError": 1},
    ],
    ids=lambda given: type(given).__name__,
)
@pytest.mark.parametrize("option", ["retry_on", "never_retry_on"])
def test_what_is_no_exception_class_is_refused_where_it_is_declared(
    app: Infinitas, given: Any, option: Any
) -> None:
    with pytest.raises(ConfigError, match=f"{option} of task 'add' has .*exception classes"):
        app.task(**{option: given})(add)
    assert app.tasks == {}


@pytest.mark.parametrize("given", [OSError, (OSError,), [OSError], {OSError}, frozenset([OSError])])
def test_one_exception_class_or_several(given: Any) -> None:
    assert exception_classes(given, "retry_on", "t") == (OSError,)


def test_exceptions_are_compared_as_except_does(app: Infinitas) -> None:
    task = app.task(retry_on=(OSError, Strange), never_retry_on=FileNotFoundError)(add)
    assert task.retries_on(ConnectionError)
    assert task.retries_on(Strange)
    assert not task.retries_on(FileNotFoundError)
    assert not task.retries_on(ValueError)
    assert app.task(name="none", retry_on=())(add).retries_on(OSError) is False


@pytest.mark.parametrize(
    ("options", "attempts"),
    [
        ({}, 2),
        ({"retry_on": ValueError}, 1),
        ({"retry_on": OSError}, 2),
        ({"retry_on": TimeoutError}, 2),
        ({"retry_on": JobTimedOut}, 2),
        ({"never_retry_on": TimeoutError}, 1),
        ({"never_retry_on": (KeyError, JobTimedOut)}, 1),
        ({"never_retry_on": ValueError}, 2),
        ({"never_retry_on": Exception}, 1),
        ({"retry_timeouts": False}, 1),
        ({"retry_timeouts": True, "never_retry_on": TimeoutError}, 1),
    ],
)
async def test_a_timeout_counts_as_an_exception(
    app: Infinitas, options: dict[str, Any], attempts: int
) -> None:
    @app.task(timeout=0.05, retries=1, retry_delay=0, **options)
    async def late() -> None:
        await asyncio.sleep(600)

    async with running(app, scheduler=True):
        job = await finished(app, await late.asend())
    assert (job.reason, job.attempt) == ("timed_out", attempts)
