"""The portal: an event loop in a thread of its own, where client I/O happens.

Connections belong to one event loop; with a loop of its own the client serves any thread and any
loop over the same connections. asyncio is imported when it is needed: a program that only declares
tasks, prints help, or sends jobs from sync code doesn't need it.
"""

import functools
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from infinitas.core.errors import BlocksEventLoop, NoEventLoop
from infinitas.runtime.threads import wait_for

if TYPE_CHECKING:
    import asyncio

    from infinitas.client.loop_thread import Call, LoopThread

T = TypeVar("T")


class Portal:
    """Starts its thread when first used, and again in a child after a fork.

    Without a lock: a signal handler may interrupt any of its lines and use the portal itself.
    """

    def __init__(self) -> None:
        self._threads: dict[int, LoopThread] = {}
        """By process. A child keeps its parent's: to close it would close the parent's connections."""

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the portal's loop and wait for its result.

        Raises:
            NoEventLoop: the program is ending, and no thread can be started any more.
            BlocksEventLoop: the caller runs in the portal's own loop.
            ServerUnreachable: the portal was stopped meanwhile.
        """
        return _wait(self._thread, coroutine)

    async def join(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await, in the caller's loop, a coroutine that runs in the portal's.

        Raises:
            NoEventLoop: the caller runs in no asyncio loop, or as for `wait`.
            ServerUnreachable: the portal was stopped meanwhile.
        """
        loop = _running_loop()
        if loop is None:
            coroutine.close()
            raise NoEventLoop(
                "Async verbs need a running asyncio loop, and there is none here. Use the sync verb; under "
                "trio in a thread, e.g. `await trio.to_thread.run_sync(task.send, …)`."
            )
        done: asyncio.Future[None] = loop.create_future()
        call = _call(self._thread, coroutine, functools.partial(_wake, loop, done))
        try:
            await done
        except BaseException:
            call.cancel()
            raise
        return call.result()

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """End the thread of this process; calls that wait for it fail. It starts again on next use.

        Args:
            last: makes a coroutine that runs in its loop before, and is waited for.
        """
        # New calls begin a new thread at once, and find nothing of this one.
        if thread := self._threads.pop(os.getpid(), None):
            try:
                if last is not None:
                    _wait(lambda: thread, last())
            finally:
                thread.stop()

    def _thread(self) -> "LoopThread":
        from infinitas.client.loop_thread import LoopThread

        pid = os.getpid()
        found = self._threads.get(pid)
        if found is None:
            made = LoopThread()
            # Started before it can be found: a signal handler that interrupts this would wait for ever.
            made.start()
            found = self._threads.setdefault(pid, made)
            if found is not made:
                made.stop()
        return found


def refuse_in_loop(instead: str) -> None:
    """For verbs that may wait for long. Raises BlocksEventLoop: the caller runs in an asyncio loop.

    Args:
        instead: what async code writes.
    """
    if _running_loop() is not None:
        raise BlocksEventLoop(
            f"This would block the running event loop until the job has ended: use `{instead}`, "
            "in a notebook too."
        )


def _wait(find: "Callable[[], LoopThread]", coroutine: Coroutine[Any, Any, T]) -> T:
    calls: list[Call[T]] = []
    try:
        wait_for(lambda notify: calls.append(_call(find, coroutine, notify)))
    except BaseException:
        for call in calls:
            call.cancel()
        raise
    return calls[0].result()


def _call(
    find: "Callable[[], LoopThread]", coroutine: Coroutine[Any, Any, T], notify: Callable[[], None]
) -> "Call[T]":
    try:
        thread = find()
        if _running_loop() is thread.loop:
            raise BlocksEventLoop("A sync verb was called in Infinitas' own loop, which it would block.")
        return thread.call(coroutine, notify)
    except BaseException:
        coroutine.close()
        raise


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    """The asyncio loop of this thread; none can run where asyncio was not imported."""
    if "asyncio" not in sys.modules:
        return None
    from asyncio import _get_running_loop

    return _get_running_loop()


def _wake(loop: "asyncio.AbstractEventLoop", done: "asyncio.Future[None]") -> None:
    try:
        loop.call_soon_threadsafe(_set, done)
    except RuntimeError:
        # The caller's loop was closed before the answer came.
        return


def _set(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


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


def for_sync_outside_loops(
    verb: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], T]:
    """`for_sync` for a verb that may wait for long: refused in a running event loop."""

    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        refuse_in_loop(f"await app.a{verb.__name__.removeprefix('_')}(…)")
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
