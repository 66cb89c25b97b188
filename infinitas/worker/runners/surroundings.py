"""What a job may change for its whole process, put back before the next job."""

import contextlib
import os
import signal
import sys
from typing import Any

_SIGNALS = [number for number in sorted(signal.valid_signals()) if number < 32]


class Surroundings:
    """The process as it was before a job. It stays the same for the next ones: each is undone."""

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._environment = dict(os.environ)
        self._umask = _umask()
        self._handlers = _handlers()
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._fixed = _fixed()

    def put_back(self) -> bool:
        """Put back the current folder, environment, umask, signal handlers, timers and standard streams.

        Returns:
            Whether the process is fit for another job: no process is left that the job has started, and
            nothing is changed that a process can't put back, as its user or its limits.
        """
        try:
            os.chdir(self._folder)
            if dict(os.environ) != self._environment:
                os.environ.clear()
                os.environ.update(self._environment)
            os.umask(self._umask)
            self._put_back_signals()
        except (OSError, ValueError, TypeError):
            # Its folder is gone, or a signal handler was not Python's.
            return False
        sys.stdin, sys.stdout, sys.stderr = self._streams
        return _fixed() == self._fixed and not _has_children()

    def _put_back_signals(self) -> None:
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number, handler in _handlers().items():
            before = self._handlers[number]
            if handler is not before:
                signal.signal(number, before)


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _umask() -> int:
    # The one call that returns it also changes it.
    now = os.umask(0o077)
    os.umask(now)
    return now


def _fixed() -> tuple[object, ...]:
    """What a process can't put back in general."""
    import resource

    limits = resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE
    ids = os.getuid(), os.geteuid(), os.getgid(), os.getegid()
    return ids, os.nice(0), *map(resource.getrlimit, limits)


def _has_children() -> bool:
    """Whether a process runs that this one has started, also through another one. Reaps ended ones."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
    return False
