"""Signals of our command-line processes. A program that embeds Infinitas keeps its own."""

import asyncio
import ctypes
import faulthandler
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from infinitas.runtime.life import Life
from infinitas.runtime.systemd import report_life

_PR_SET_PDEATHSIG = 1


class StopSignal:
    """`requested` is set by the first SIGTERM or SIGINT, `forced` by the second.

    SIGHUP requests a stop too, and sets `restart`: a new process takes over.
    """

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.forced = asyncio.Event()
        self.restart = False
        self.life = Life()
        """What the process reports of itself until it stops."""

    def request(self) -> None:
        (self.forced if self.requested.is_set() else self.requested).set()

    def request_restart(self) -> None:
        if not self.requested.is_set():
            self.restart = True
            self.requested.set()


def run_until_signal(main: Callable[[StopSignal], Awaitable[None]]) -> bool:
    """Run `main` in a new event loop (uvloop if installed) with signal handlers.

    SIGUSR1 prints the stacks of all threads and of all tasks in the loop. Returns whether a restart was
    requested.
    """
    stop: StopSignal | None = None

    async def guarded() -> None:
        nonlocal stop
        stop = StopSignal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.request)
        loop.add_signal_handler(signal.SIGHUP, stop.request_restart)
        loop.add_signal_handler(signal.SIGUSR1, print_tasks)
        # Runs before the loop's handler, and also while the loop is blocked.
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)
        signals = stop
        reporting = report_life(stop.life, stop.requested, lambda: signals.restart)
        life = asyncio.create_task(reporting, name="systemd")
        try:
            await main(stop)
        finally:
            life.cancel()

    collect_garbage_rarely()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(guarded())
    return stop is not None and stop.restart


def end_with_parent(number: int) -> None:
    """Have Linux send this process a signal when its parent ends. Does nothing on other systems."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def allow_many_sockets() -> None:
    """Raise the limit of open files to the hard limit: the usual 1,024 are too few for a server."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def collect_garbage_rarely() -> None:
    """Collect less often: hardly any garbage here is cyclic, and a full collection takes many ms."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def print_tasks() -> None:
    """The stack of every task in the running loop, to stderr."""
    for task in asyncio.all_tasks():
        print(f"\nTask {task.get_name()} (innermost last):", file=sys.stderr)
        awaited: Any = task.get_coro()
        # A task's own stack ends at its outermost coroutine; follow what that one awaits.
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            if frame is not None:
                code = frame.f_code
                where = f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_name}'
                print(where, file=sys.stderr)
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    sys.stderr.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
