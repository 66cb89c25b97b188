"""Threads for processors. They are daemons: one that never returns can't keep the process alive."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from infinitas.runtime.error_text import error_line

T = TypeVar("T")
_Work = Callable[[], None]


class DaemonThreads:
    """A pool that grows as needed, up to one thread for each job that runs at once."""

    def __init__(self) -> None:
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = 0
        self._count = 0
        self._lock = threading.Lock()

    def submit(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        """Run `function` in a thread. Returns a future of the caller's loop, with its value or error."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                set_future = partial(_set, future, function())
            except BaseException as error:  # noqa: BLE001 - the caller must not wait for ever
                set_future = partial(_set_error, future, error)
            if not loop.is_closed():
                loop.call_soon_threadsafe(set_future)

        with self._lock:
            grow = self._idle == 0
            self._idle += 1 if grow else 0
            self._count += 1 if grow else 0
            self._idle -= 1
        self._work.put(work)
        if grow:
            threading.Thread(target=self._run, name=f"infinitas-job-{self._count}", daemon=True).start()
        return future

    def close(self) -> None:
        """End idle threads now, and busy ones when they return."""
        for _ in range(self._count):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            with self._lock:
                self._idle += 1


def _set(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)


def _set_error(future: "asyncio.Future[T]", error: BaseException) -> None:
    if future.done():
        return
    try:
        future.set_exception(error)
    except BaseException:  # noqa: BLE001 - a future refuses a StopIteration, and what it can't inspect
        future.set_exception(RuntimeError(error_line(error)))
