"""Runs a command as if it had been started directly: its output, signals and exit code pass through."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

from infinitas.runtime.tee import LastOutput, captured_outputs, fork_tee

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""As a shell has them."""
OUTPUT_WITHIN_S = 1.0
"""How long the end of the output is awaited; what runs on in the background may keep it open for days."""
_PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT")
_FROM_THE_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT})


class Command:
    """One run of a command. `code`: its exit code, or minus the signal that ended it."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._last = LastOutput()
        self._tee: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self.code = 0

    @property
    def output(self) -> bytes:
        """The last of its output."""
        return self._last.read()

    def run(self, started: Callable[[], object]) -> None:
        """Run it to its end; `started` is called once it runs."""
        self._pass_signals_on()
        pipes: dict[int, int] = {}
        ends: dict[int, int] = {}
        for group in captured_outputs():
            reading, writing = os.pipe()
            pipes[reading] = group[0]
            ends |= dict.fromkeys(group, writing)
        writers = sorted(set(ends.values()))
        if pipes:
            self._tee = fork_tee(pipes, self._last, writers)
        for fd in pipes:
            os.close(fd)
        try:
            self._process = subprocess.Popen(self._words, stdout=ends.get(1), stderr=ends.get(2))
        except OSError as error:
            self._refuse(error, ends.get(2, 2))
        finally:
            for fd in writers:
                os.close(fd)
        started()
        if self._process is not None:
            for number in self._early:
                self._process.send_signal(number)
            self.code = self._process.wait()
        self._await_output()

    def end(self) -> int:
        """End this process as the command has ended. Returns an exit code, if it can't."""
        if self.code >= 0:
            return self.code
        number = signal.Signals(-self.code)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return 128 + number

    def _refuse(self, error: OSError, stderr: int) -> None:
        self.code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        os.write(stderr, f"{self._words[0]}: {error.strerror}\n".encode(errors="replace"))

    def _pass_signals_on(self) -> None:
        for name in _PASSED_ON:
            number = getattr(signal, name, None)
            # One that our parent ignores, as under nohup, the command ignores too.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in _FROM_THE_TERMINAL and _in_foreground():
            return  # The terminal has sent it to the command too.
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def _await_output(self) -> None:
        deadline = time.monotonic() + OUTPUT_WITHIN_S
        while self._tee is not None and time.monotonic() < deadline:
            if os.waitpid(self._tee, os.WNOHANG)[0]:
                self._tee = None
                return
            time.sleep(0.005)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else 0) == os.getpgrp()
    except (OSError, ValueError):
        return False
