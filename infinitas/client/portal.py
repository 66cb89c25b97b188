"""The one bridge for sync callers: a private event loop in a thread, where all client I/O happens.

asyncio is imported when it is needed: who only declares tasks, or asks for help, does not.

Connections belong to one event loop; with a loop of our own, `send` works from any thread and
`asend` from any loop, over the same connections.
"""

import functools
import os
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Bridge:
    """Starts its thread when first used, and again in a child after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the bridge's loop and wait for its result."""
        from asyncio import run_coroutine_threadsafe

        return run_coroutine_threadsafe(coroutine, self._running_loop()).result()

    async def join(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await, in the caller's loop, a coroutine that runs in the bridge's."""
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
                    target=_run, args=(self._loop,), name="infinitas-bridge", daemon=True
                ).start()
            return self._loop


class HasBridge(Protocol):
    """What the two decorators below need of `self`."""

    @property
    def bridge(self) -> Bridge: ...


S = TypeVar("S", bound=HasBridge)
P = ParamSpec("P")


def for_sync(
    verb: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], T]:
    """The verb for sync callers: runs in the bridge's loop and waits."""

    @functools.wraps(verb)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.bridge.wait(verb(self, *args, **kwargs))

    return call


def for_async(
    verb: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The verb for async callers: runs in the bridge's loop and is awaited in theirs."""

    @functools.wraps(verb)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.bridge.join(verb(self, *args, **kwargs))

    return call


def _run(loop: "asyncio.AbstractEventLoop") -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
