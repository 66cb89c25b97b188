"""The processes of a worker for `runner="process"`: started when needed, and used again.

A process runs one job at a time. It is forked from a clean server that has imported the tasks' modules, and
leaves the pool when it has run `jobs_per_process` jobs, when it has become too large, or when a job has
changed what can't be put back.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.forkserver import ensure_running

import orjson

from infinitas.runtime.logging import logging_here
from infinitas.worker.runners.process_child import run_child

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
GRACE_S = 1.0
"""How long a process may take to exit after its last outcome, and for its callbacks after a timeout."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """When a process of the pool is replaced.

    Attributes:
        jobs: after so many jobs.
        memory: once it has so many bytes of resident memory after a job; 0: never for that.
    """

    jobs: int = 500
    memory: int = 0


class PoolProcess:
    """A process, and the pipe to it. Thread-safe; belongs to one job at a time."""

    def __init__(self, limits: ProcessLimits, settings: dict[str, object]) -> None:
        context = multiprocessing.get_context("forkserver")
        self._pipe, theirs = context.Pipe()
        set_up = {"logging": logging_here(), "settings": settings, "memory": limits.memory}
        self._process = context.Process(target=run_child, args=(theirs, set_up), name="infinitas jobs")
        self._process.start()
        theirs.close()
        self._sending = threading.Lock()
        self._ending = threading.Lock()
        self.jobs = 0
        """How many jobs it was given."""

    @property
    def alive(self) -> bool:
        with self._ending:
            return self._process.exitcode is None

    def send(self, **message: object) -> None:
        """Send a message, or nothing if the process is gone: `receive` finds that out."""
        with self._sending, contextlib.suppress(OSError):
            self._pipe.send_bytes(orjson.dumps(message))

    def notify(self, **message: object) -> None:
        """`send` without a wait: a process that has not yet taken its job is notified of nothing."""
        if self._sending.acquire(blocking=False):
            try:
                with contextlib.suppress(OSError):
                    self._pipe.send_bytes(orjson.dumps(message))
            finally:
                self._sending.release()

    def receive(self) -> bytes | None:
        """The next message; None: the process has ended, or broken off in the middle of one."""
        try:
            return self._pipe.recv_bytes(MAX_MESSAGE_BYTES)
        except (EOFError, OSError):
            return None

    def kill(self) -> None:
        """Kill the process and all that it started, whether it has ended or not."""
        pid = self._process.pid
        assert pid is not None
        with self._ending:
            # In its first moment the process has no group of its own yet. Another one may have the
            # number of a process that has ended; a group keeps its number while it has members.
            if self._process.exitcode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def end(self) -> int | None:
        """Let it exit within `GRACE_S`, kill what is left of it, and return its exit code."""
        self._process.join(GRACE_S)
        self.kill()
        self._process.join(GRACE_S)
        self._pipe.close()
        with self._ending:
            return self._process.exitcode


@dataclass(slots=True)
class ProcessPool:
    """Processes that wait for a job. Thread-safe.

    Args:
        modules: imported before the first process is forked.
        settings: of the app: jobs that a processor sends go to this worker's servers.
    """

    modules: Sequence[str]
    limits: ProcessLimits
    settings: dict[str, object]
    _idle: list[PoolProcess] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["infinitas.worker.runners.process_child", *self.modules])
        # Now: started with the first job, it would use up that job's time limit.
        ensure_running()

    def take(self, *, fresh: bool) -> PoolProcess:
        """A process for one job; the one that was used last, for its memory is warm.

        Raises:
            OSError: no process can be started.
        """
        while not fresh:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None:
                break
            if process.alive:
                process.jobs += 1
                return process
            process.end()
        process = PoolProcess(self.limits, self.settings)
        process.jobs = 1
        return process

    def give_back(self, process: PoolProcess) -> None:
        """The job of `process` is over, and it may run another one."""
        if process.jobs < self.limits.jobs:
            with self._lock:
                if not self._closed:
                    self._idle.append(process)
                    return
        process.kill()
        process.end()

    def close(self) -> None:
        """End the processes that wait, and each other one after its job."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()
        for process in idle:
            process.end()
