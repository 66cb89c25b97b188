"""Signals of our command-line processes. A program that embeds Infinitas keeps its own."""

import asyncio
import ctypes
import faulthandler
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

_PR_SET_PDEATHSIG = 1


class StopSignal:
    """`asked` is set by the first SIGTERM or SIGINT, `insisted` by the second.

    SIGHUP asks as well, and sets `restart`: a fresh process is to take over.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()
        self.restart = False

    def receive(self) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()

    def hang_up(self) -> None:
        if not self.asked.is_set():
            self.restart = True
            self.asked.set()


def run_until_signal(main: Callable[[StopSignal], Awaitable[None]]) -> bool:
    """Run `main` in a new event loop (uvloop where installed) that hears signals.

    SIGUSR1 prints the stacks of all threads and of all jobs in the loop. Returns whether a restart
    was asked for.
    """
    stop: StopSignal | None = None

    async def guarded() -> None:
        nonlocal stop
        stop = StopSignal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.receive)
        loop.add_signal_handler(signal.SIGHUP, stop.hang_up)
        loop.add_signal_handler(signal.SIGUSR1, print_tasks)
        # In front of the loop's handler: it also works while the loop is blocked.
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)
        await main(stop)

    collect_garbage_rarely()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(guarded())
    return stop is not None and stop.restart


def end_with_parent(number: int) -> None:
    """Have Linux send us a signal when the process that started this one ends. Nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def allow_many_sockets() -> None:
    """Open files up to what the system lets this process have; the usual 1,024 are few for a server."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def collect_garbage_rarely() -> None:
    """We make and drop much, hardly any of it cyclic, and each full look costs many milliseconds."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def print_tasks() -> None:
    """The stack of every task in the running loop, to stderr."""
    for task in asyncio.all_tasks():
        print(f"\nTask {task.get_name()} (innermost last):", file=sys.stderr)
        waits: Any = task.get_coro()
        # A task's own stack ends at its outermost coroutine; what that waits for tells more.
        while waits is not None:
            frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
            if frame is not None:
                code = frame.f_code
                where = f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_name}'
                print(where, file=sys.stderr)
            waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    sys.stderr.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
