"""The portal: an event loop in a thread of its own, where all client I/O happens.

Connections belong to one event loop; with a loop of its own the client serves `send` from any
thread and `asend` from any loop, over the same connections. asyncio is imported when it is needed:
a program that only declares tasks, or prints help, doesn't need it.
"""

import functools
import os
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Portal:
    """Starts its thread when first used, and again in a child after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the portal's loop and wait for its result."""
        from asyncio import run_coroutine_threadsafe

        return run_coroutine_threadsafe(coroutine, self._running_loop()).result()

    async def join(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await, in the caller's loop, a coroutine that runs in the portal's."""
        from asyncio import run_coroutine_threadsafe, wrap_future

        return await wrap_future(run_coroutine_threadsafe(coroutine, self._running_loop()))

    @property
    def pid(self) -> int:
        """The process whose loop this is; a forked child must open connections of its own."""
        return self._pid

    def stop(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._pid == os.getpid():
            loop.call_soon_threadsafe(loop.stop)

    def _running_loop(self) -> "asyncio.AbstractEventLoop":
        from asyncio import new_event_loop

        # Without the lock where it can be: a signal handler may send while its thread holds it.
        loop = self._loop
        if loop is not None and self._pid == os.getpid():
            return loop
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = new_event_loop(), os.getpid()
                threading.Thread(
                    target=_run, args=(self._loop,), name="infinitas-portal", daemon=True
                ).start()
            return self._loop


class HasPortal(Protocol):
    """What the two decorators below use of `self`."""

    @property
    def portal(self) -> Portal: ...


S = TypeVar("S", bound=HasPortal)
P = ParamSpec("P")


def for_sync(
    verb: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], T]:
    """The verb for sync callers: runs in the portal's loop and waits."""

    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.portal.wait(verb(self, *args, **kwargs))

    return _public(call, verb, "")


def for_async(
    verb: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The verb for async callers: runs in the portal's loop and is awaited in theirs."""

    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.portal.join(verb(self, *args, **kwargs))

    return _public(call, verb, "a")


C = TypeVar("C", bound=Callable[..., Any])


def _public(call: C, verb: Callable[..., Any], prefix: str) -> C:
    """`call` with the verb's signature and docstring, under its public name."""
    functools.update_wrapper(call, verb)
    call.__name__ = prefix + verb.__name__.removeprefix("_")
    call.__qualname__ = verb.__qualname__.rpartition(".")[0] + f".{call.__name__}"
    return call


def _run(loop: "asyncio.AbstractEventLoop") -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
