"""Watches the worker's event loop from the heartbeat thread: while a processor blocks the loop, no
time limit fires there and every other job waits."""

import asyncio
import contextlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable

from infinitas.broker.messages import Settlement
from infinitas.core.errors import JobEnded, JobTimedOut
from infinitas.runtime.logging import get_logger
from infinitas.worker.attempt import Attempt

_log = get_logger("worker")
CHECK_EVERY_S = 0.5
SLACK_S = 1.0
_SIGNAL = signal.SIGURG
"""Ignored by default and rarely used; Go interrupts its goroutines with it too."""


class Watchdog:
    """Times out jobs while the loop is blocked, and interrupts the code that blocks it.

    Args:
        running: returns the attempts that run now.
        interrupts: a signal may interrupt blocking code. Only for a process of our own, whose loop
            runs in the main thread.
    """

    def __init__(self, running: Callable[[], Iterable[Attempt]], interrupts: bool) -> None:
        self._running = running
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._ticked = time.monotonic()
        self._checked = time.monotonic()
        self._reported = False
        """The present blockage was logged."""
        self._interrupts = interrupts and threading.current_thread() is threading.main_thread()
        if self._interrupts:
            signal.signal(_SIGNAL, self._interrupt)

    async def tick_once(self) -> None:
        """Runs in the watched loop, and so proves that it is not blocked."""
        if self._reported:
            _log.warning("The event loop goes on, after %.1f s.", time.monotonic() - self._ticked)
        self._reported = False
        self._ticked = time.monotonic()
        await asyncio.sleep(CHECK_EVERY_S)

    def check(self) -> list[tuple[str, Settlement]]:
        """Runs in the heartbeat thread. Returns what to settle from there, each with its queue."""
        now = time.monotonic()
        late_s, self._checked = now - self._checked - CHECK_EVERY_S, now
        blocked_s = now - self._ticked
        # If this thread is late as well, the whole process was stopped, not the loop alone.
        if blocked_s < CHECK_EVERY_S + SLACK_S or late_s > SLACK_S:
            return []
        self._report_blocking_code(blocked_s)
        found: list[tuple[str, Settlement]] = []
        for attempt in self._running():
            if attempt.deadline is None or time.monotonic() < attempt.deadline + SLACK_S:
                continue
            with contextlib.suppress(JobEnded):
                found.append((attempt.task.definition.queue, attempt.expire()))
                attempt.log_end()
            if self._interrupts:
                signal.pthread_kill(self._thread, _SIGNAL)
        return found

    def close(self) -> None:
        if self._interrupts:
            signal.signal(_SIGNAL, signal.SIG_DFL)

    def _interrupt(self, *_: object) -> None:
        """The signal's handler, in the main thread: raises only inside the blocking processor."""
        try:
            task = asyncio.current_task(self._loop)
        except RuntimeError:
            return
        for attempt in self._running():
            if task is not None and attempt.code is task and attempt.end_is(JobTimedOut):
                raise JobTimedOut(f"Job {attempt.claimed.id} blocked the event loop beyond its limit.")

    def _report_blocking_code(self, blocked_s: float) -> None:
        if self._reported:
            return
        self._reported = True
        frame = sys._current_frames().get(self._thread)
        where = "".join(traceback.format_stack(frame, limit=4)) if frame else "unknown"
        _log.warning(
            "The event loop has been blocked for %.1f s: all jobs of this worker wait. Make the "
            "processor a plain function, or use asyncio.to_thread. It is here:\n%s",
            blocked_s,
            where.rstrip(),
        )
