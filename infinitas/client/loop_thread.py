"""One event loop in a real thread of this process, and the calls that it runs for other threads."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from infinitas.core.errors import NoEventLoop, ServerUnreachable
from infinitas.runtime.poll_selector import new_selector
from infinitas.runtime.threads import green_library, original, start_thread

T = TypeVar("T")


class Call(Generic[T]):
    """One coroutine that the loop runs; `notify` is called once, when its result is there."""

    def __init__(
        self, thread: "LoopThread", coroutine: Coroutine[Any, Any, T], notify: Callable[[], None]
    ) -> None:
        self._thread = thread
        self._coroutine = coroutine
        self._notify = notify
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False

    def begin(self) -> None:
        """Runs in the loop."""
        if self._cancelled:
            self._coroutine.close()
            self._end()
            return
        self._task = self._thread.loop.create_task(self._coroutine)
        self._task.add_done_callback(lambda _: self._end())

    def abandon(self) -> None:
        """The loop has ended, and the coroutine with it or before it began."""
        if self._task is None:
            self._coroutine.close()
        self._end()

    def cancel(self) -> None:
        """The caller waits no longer; may be called in any thread."""
        self._cancelled = True
        try:
            self._thread.loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            # The loop has ended, and with it this call.
            return

    def result(self) -> T:
        """What the coroutine returned or raised. Raises ServerUnreachable: the loop ended before it."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            raise ServerUnreachable(
                "This app was closed before an answer came; the request may have arrived."
            )
        return self._task.result()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self) -> None:
        self._thread.calls.discard(self)
        if self._task is not None and self._cancelled and not self._task.cancelled():
            # Nothing reads it any more; asyncio would report it.
            self._task.exception()
        if not self._cancelled:
            self._notify()


class LoopThread:
    """`start` it once; `stop` ends it, and fails the calls that it still runs."""

    def __init__(self) -> None:
        self.loop = _Loop(new_selector())
        self.calls: set[Call[Any]] = set()

    def start(self) -> None:
        """Raises NoEventLoop: no thread can be started."""
        try:
            start_thread(self._run, "infinitas-portal")
        except RuntimeError as error:
            self.loop.close()
            raise NoEventLoop(
                f"Infinitas needs a thread for this, and none can be started: {error}. At exit "
                "sync `send` still works; make other calls before."
            ) from None

    def call(self, coroutine: Coroutine[Any, Any, T], notify: Callable[[], None]) -> Call[T]:
        """Run a coroutine in the loop, for any thread. Raises ServerUnreachable: the loop has ended."""
        call = Call(self, coroutine, notify)
        self.calls.add(call)
        try:
            self.loop.call_soon_threadsafe(call.begin)
        except RuntimeError:
            self.calls.discard(call)
            raise ServerUnreachable("This app is being closed by another thread; nothing was sent.") from None
        return call

    def stop(self) -> None:
        """End the thread; returns before it has ended."""
        self.loop.call_soon_threadsafe(self.loop.stop)

    def _run(self) -> None:
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(_cancel_others())
        finally:
            self.loop.close()
            # One that was added since has its callback in a loop that never runs again.
            for call in tuple(self.calls):
                call.abandon()


async def _cancel_others() -> None:
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class _Loop(asyncio.SelectorEventLoop):
    """Resolves addresses itself where asyncio's threads would be greenlets, or can't be started any more."""

    async def getaddrinfo(self, *address: Any, **options: Any) -> Any:
        if green_library() is None:
            with suppress(RuntimeError):
                return await super().getaddrinfo(*address, **options)
        return original(socket, "getaddrinfo")(*address, **options)
