"""What tests share: waiting for a condition, running parts in-process, real processes."""

import asyncio
import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, TypeVar
from unittest import mock

from redis import Redis

from infinitas import Handle, Infinitas, JobInfo
from infinitas.app import embed
from infinitas.broker.events import expand
from infinitas.cli.main import main
from infinitas.core.events import Event
from infinitas.runtime.logging import _set_up, logging_here
from tests import fork_server

T = TypeVar("T")
PATIENCE_S = 60.0
"""How long a test waits for what will happen; a green one waits no longer than it takes."""
ROOT = Path(__file__).parent.parent


def eventually(condition: Callable[[], T | None], patience: float = PATIENCE_S) -> T:
    """Wait until `condition` is true and return what it returned."""
    deadline = time.monotonic() + patience
    while True:
        begun = time.monotonic()
        if found := condition():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {patience:g} s: {condition}")
        time.sleep(_pause_s(begun))


async def aeventually(condition: Callable[[], Awaitable[T | None]], patience: float = PATIENCE_S) -> T:
    """`eventually` for async conditions."""
    deadline = time.monotonic() + patience
    while True:
        begun = time.monotonic()
        if found := await condition():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {patience:g} s: {condition}")
        await asyncio.sleep(_pause_s(begun))


def _pause_s(begun: float) -> float:
    """A costly check is made seldom: what it waits for needs the processor, and often the same event loop."""
    return min(max(0.01, 3 * (time.monotonic() - begun)), 0.5)


@asynccontextmanager
async def running(
    app: Infinitas,
    *,
    worker: bool = True,
    scheduler: bool = False,
    archiver: bool = False,
    notifier: bool = False,
) -> AsyncIterator[None]:
    """Parts of the system, in this process, until the block ends."""
    async with embed.running(
        app.registry,
        app.settings,
        worker=worker,
        scheduler=scheduler,
        archiver=archiver,
        notifier=notifier,
    ):
        yield


async def finished(app: Infinitas, handle: Handle[Any]) -> JobInfo:
    """Wait until a job has ended."""
    return await app.await_for_end(handle.id, PATIENCE_S)


def events(redis: Redis, *kinds: str) -> list[Event]:
    """Every event that is still in the stream; of these kinds, if any are given."""
    entries: Any = redis.xrange("{infinitas:default}:events")
    found = [event for position, fields in entries for event in expand(position, fields)]
    return [event for event in found if not kinds or event.kind in kinds]


@contextlib.contextmanager
def logging_as_before() -> Iterator[None]:
    """What the block sets up in `logging` ends with it."""
    factory, set_up = logging.getLogRecordFactory(), logging_here()
    before = {each: (each.handlers[:], each.level, each.propagate, each.disabled) for each in _loggers()}
    yield
    _set_up.clear()
    _set_up.update(set_up)
    logging.setLogRecordFactory(factory)
    for each in _loggers():
        handlers, level, each.propagate, each.disabled = before.get(each, ([], 0, True, False))
        each.handlers[:] = handlers
        each.setLevel(level)


def _loggers() -> list[logging.Logger]:
    found = logging.Logger.manager.loggerDict.values()
    return [logging.getLogger(), *(each for each in found if isinstance(each, logging.Logger))]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [found for child in map(int, children) for found in (*descendants(child), child)]


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class Processes:
    """Starts `infinitas` commands, whose output goes to files in `folder`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        log = self.folder / f"{len(self._started)}-{arguments[0]}.log"
        with log.open("wb") as output:
            process = fork_server.start(
                [*arguments], self.environment, self.folder, output.fileno(), output.fileno()
            )
        self._started.append(process)
        return process

    def run(self, *arguments: str, timeout: float = 2 * PATIENCE_S) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = fork_server.start(
                [*arguments], self.environment, self.folder, stdout.fileno(), stderr.fileno()
            )
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            return subprocess.CompletedProcess(arguments, code, _text(stdout), _text(stderr))

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """As `run`, in this process: without the start of an interpreter."""
        stdout, stderr, code = io.StringIO(), io.StringIO(), 0
        with (
            mock.patch.dict(os.environ, self.environment),
            mock.patch.object(sys, "argv", ["infinitas", *arguments]),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            try:
                main()
            except SystemExit as ended:
                code = int(ended.code or 0)
        return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())

    def logs(self) -> str:
        """Everything that was printed so far."""
        return "\n".join(f"{p.name}: {p.read_text()}" for p in sorted(self.folder.glob("*.log")))

    def kill_all(self) -> None:
        for process in self._started:
            # A supervisor's children would go on for a while, and take the next test's jobs.
            for pid in [*descendants(process.pid), process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
