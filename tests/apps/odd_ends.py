"""Processors whose end is odd, each for every runner: `NAME-loop`, `NAME-thread` and `NAME-process`."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import BaseModel, model_serializer

from infinitas import Infinitas, Job, JobDone, Retry

RUNNERS = ("loop", "thread", "process")
app = Infinitas()
EXPECTED: dict[str, tuple[str, str]] = {}
"""Case → the reason it fails with ("" if it succeeds), and a part of its error or result."""


def ends(reason: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a case for every runner."""

    def declare(body: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(body)
        async def in_loop(*args: Any, **kwargs: Any) -> Any:
            return body(*args, **kwargs)

        name = body.__name__
        EXPECTED[name] = reason, text
        app.task(name=f"{name}-loop")(in_loop)
        app.task(name=f"{name}-thread")(body)
        # The process finds a task by the name that it stands under.
        globals()[f"{name}_process"] = app.task(name=f"{name}-process", runner="process")(body)
        return body

    return declare


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Dodging(Exception):
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(f"no {name}")


class Broken(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise KeyboardInterrupt("no cause")

    __traceback__ = "nothing"  # type: ignore[assignment]


class Liar(Exception):
    __class__ = property(lambda self: Retry)


class Noted(Exception):
    __notes__ = 7  # type: ignore[assignment]


class Instances(type):
    def __instancecheck__(cls, instance: object) -> bool:
        raise OSError("no instances")

    __subclasscheck__ = __instancecheck__


class Strange(Exception, metaclass=Instances): ...


class BareRetry(Retry):
    def __init__(self) -> None:
        """Without that of `Retry`."""


@ends("error", "Unprintable")
def unprintable() -> None:
    raise Unprintable


@ends("error", "Dodging")
def dodging() -> None:
    raise Dodging("x")


@ends("error", "Broken: why")
def broken() -> None:
    raise Broken("why")


@ends("error", "Liar: not a retry")
def liar() -> None:
    raise Liar("not a retry")


@ends("error", "Noted: n\n7")
def noted() -> None:
    raise Noted("n")


@ends("error", "OSError: no instances")
def strange() -> None:
    """Python itself asks the metaclass when the exception is raised."""
    raise Strange("s")


@ends("error", "BareRetry")
def bare_retry() -> None:
    raise BareRetry


@ends("error", "its `after` is not 0 to a year")
def wrong_delay() -> None:
    error = Retry("later")
    error.after = float("nan")
    raise error


@ends("error", "SyntaxError")
def odd_syntax() -> None:
    error = SyntaxError("odd")
    error.text, error.lineno, error.offset = 3, "x", object()  # type: ignore[assignment]
    raise error


@ends("error", "surrogate ? nul \\0")
def odd_characters() -> None:
    raise ValueError("surrogate \ud800 nul \x00")


@ends("error", "ValueError: xxx")
def megabytes() -> None:
    raise ValueError("x" * 5_000_000)


@ends("error", "ExceptionGroup: many (5000 sub-exceptions)")
def many() -> None:
    raise ExceptionGroup("many", [ValueError(n) for n in range(5_000)])


@ends("error", "ValueError: 19999")
def chained() -> None:
    """As code that retries inside `except` raises."""
    error = ValueError()
    for n in range(20_000):
        error, error.__context__ = ValueError(n), error
    raise error


@ends("error", "ExceptionGroup: level")
def deep() -> None:
    group: Exception = ValueError("at the bottom")
    for _ in range(3_000):
        group = ExceptionGroup("level", [group])
    raise group


@ends("error", "ValueError: first")
def cyclic() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def raises(kind: type[BaseException]) -> Callable[[], None]:
    def body() -> None:
        raise kind("on purpose")

    body.__name__ = f"raises_{kind.__name__}"
    return body


for _kind in (
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    MemoryError,
    RecursionError,
    StopIteration,
    StopAsyncIteration,
    BaseException,
):
    ends("error", _kind.__name__)(raises(_kind))


class Unserializable(BaseModel):
    kind: str = "ValueError"

    @model_serializer
    def serialize(self) -> dict[str, str]:
        raise {"ValueError": ValueError, "SystemExit": SystemExit, "OSError": OSError}[self.kind]("no JSON")


@ends("bad_result", "can't be written as JSON")
def unserializable() -> Any:
    return Unserializable()


@ends("bad_result", "can't be written as JSON")
def unserializable_oserror() -> Any:
    return Unserializable(kind="OSError")


@ends("bad_result", "SystemExit: no JSON")
def unserializable_exit() -> Any:
    return Unserializable(kind="SystemExit")


class Falling:
    def __del__(self) -> None:
        raise SystemExit("in __del__")


@ends("bad_result", "can't be written as JSON")
def falling() -> Any:
    return Falling()


@ends("error", "returned an iterator (generator)")
def lazy() -> Any:
    return (n for n in range(3))


@ends("error", "returned an iterator (map)")
def lazy_map() -> Any:
    return map(str, range(3))


@ends("error", "returned an iterator (async_generator)")
def lazy_async() -> Any:
    async def items() -> AsyncIterator[int]:
        yield 1

    return items()


@ends("error", "gives awaitables without end")
def endless() -> Any:
    async def again() -> Any:
        return again()

    return again()


@ends("", '"awaited"')
def a_coroutine() -> Any:
    async def work() -> str:
        await asyncio.sleep(0)
        return "awaited"

    return work()


@ends("", '"twice"')
def a_coroutine_of_a_coroutine() -> Any:
    async def inner() -> str:
        return "twice"

    async def outer() -> Any:
        return inner()

    return outer()


@ends("error", "OSError: in the coroutine")
def a_coroutine_that_raises() -> Any:
    async def work() -> None:
        raise OSError("in the coroutine")

    return work()


@ends("", "null")
def what_a_job_returns(job: Job) -> Any:
    return job.progress(0.5)


@ends("", '"done"')
def done_and_odd(job: Job) -> Any:
    async def work() -> None:
        await job.done("done")
        try:
            await job.done("again")
        except JobDone:
            raise Unprintable from None

    return work()


@app.task(runner="process", isolate="job")
def broken_inside() -> None:
    """Breaks, in its own process, what turns an exception into an outcome."""
    from infinitas.worker.runners import process_child

    process_child.failure = broken_failure  # type: ignore[attr-defined, assignment]
    raise ValueError("lost")


def broken_failure(*_: object) -> Any:
    raise SystemExit("a defect")
