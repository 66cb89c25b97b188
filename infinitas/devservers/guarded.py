"""Starts a server under a guardian process, waits until it answers, and stops it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from infinitas.core.errors import EmbeddedError
from infinitas.devservers.guardian import LOCKED

_GUARDIAN = Path(__file__).with_name("guardian.py")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
_TAIL = 1500


class GuardedServer:
    """One running server. It ends with `stop`, or when this process ends."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_for_end(self) -> None:
        """Wait for a command that ends by itself, at most START_TIMEOUT_S."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(START_TIMEOUT_S)
        self.stop()

    def stop(self) -> None:
        """End the server and wait for it; does nothing if it has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_until(self, answers: Callable[[], bool]) -> None:
        """Wait until the server answers.

        Raises:
            EmbeddedError: it ended, or gave no answer in time; the text has the end of its log.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers():
            if not self.running:
                self.stop()
                raise self.failure(f"ended at once (exit {self._process.returncode})")
            if time.monotonic() > deadline:
                self.stop()
                raise self.failure(f"gave no answer in {START_TIMEOUT_S:.0f} s")
            time.sleep(0.01)

    def failure(self, what: str) -> EmbeddedError:
        """An error that names the cause: the folder is in use, or the end of the server's log."""
        if self._process.returncode == LOCKED:
            return EmbeddedError(
                f"The embedded {self.name} of {self.log.parent} is in use by another process. "
                "Stop that one, or choose another folder with INFINITAS_DATA_DIR."
            )
        tail = self.log.read_text(errors="replace")[-_TAIL:] if self.log.exists() else ""
        return EmbeddedError(f"The embedded {self.name} {what}. Its log, {self.log}, ends:\n{tail}")


def start_guarded(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    stop_signal: signal.Signals,
    as_other_user: bool = False,
) -> GuardedServer:
    """Start a command under a guardian that holds `folder/<name>.lock` and logs to `folder/<name>.log`.

    Raises:
        EmbeddedError: another process holds the lock.
    """
    log = folder / f"{name}.log"
    locked, locks = os.pipe()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(_GUARDIAN),
                str(folder / f"{name}.lock"),
                str(locks),
                str(int(stop_signal)),
                "user" if as_other_user else "same",
                *command,
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(locks,),
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    os.close(locks)
    server = GuardedServer(name, process, log)
    with os.fdopen(locked, "rb") as lock:
        # Without the lock, a server that answers now is one of another process.
        if not lock.read(1):
            server.stop()
            raise server.failure("could not be guarded")
    return server
