"""`infinitas` processes that are there within milliseconds: to be killed and started again, many times."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import ROOT, Processes, alive, eventually


class Fork:
    """One process. It is no child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)
        eventually(lambda: not alive(self.pid))


class Forks:
    """Starts them, by `tests.apps.forks`."""

    def __init__(self, parent: "subprocess.Popen[str]") -> None:
        self._parent = parent
        self._started: list[Fork] = []

    def start(self, *arguments: str, skew_s: float = 0.0) -> Fork:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps([arguments, skew_s]) + "\n")
        self._parent.stdin.flush()
        self._started.append(Fork(int(self._parent.stdout.readline())))
        return self._started[-1]

    def kill_all(self) -> None:
        for fork in self._started:
            fork.kill()


@contextmanager
def forks_of(processes: Processes) -> Iterator[Forks]:
    """With the environment of these processes, and their log."""
    with (processes.folder / "forks.log").open("wb") as log:
        parent = subprocess.Popen(
            [sys.executable, "-m", "tests.apps.forks"],
            env=processes.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with parent:
        forks = Forks(parent)
        try:
            yield forks
        finally:
            forks.kill_all()
            parent.kill()
