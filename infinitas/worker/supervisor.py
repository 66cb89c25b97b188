"""Keeps worker processes running: restarts what dies, beats for what lives, kills what is stuck.

A child that died is known to be dead at once, so its jobs move on at once.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import InfinitasError
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.runtime.signals import StopSignal
from infinitas.worker.supervisor_pipe import VARIABLE

_log = get_logger("supervisor")
STUCK_AFTER_S = 60.0
BEATS_PER_LEASE = 4
SOON_S = 5.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
USAGE = 2


class Child:
    """One place for a worker process, and the process that has it now."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number = number
        self.process: asyncio.subprocess.Process | None = None
        self.worker: str | None = None
        self.queues: list[str] = []
        self.heard = 0.0
        self.ready = asyncio.Event()
        self.retry = asyncio.Event()
        """Set to try again at once, after a start that failed."""
        self._command = command
        self._pipe: int | None = None
        self._unread = b""

    async def start(self) -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        self.worker, self._unread = None, b""
        try:
            # A session of its own: Ctrl-C on the terminal is for us to pass on, once.
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                pass_fds=(write,),
                env={**os.environ, VARIABLE: str(write)},
                start_new_session=True,
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        self._pipe = read
        asyncio.get_running_loop().add_reader(read, self._read)

    async def wait(self) -> int:
        """The exit code, once the process has ended."""
        assert self.process is not None
        code = await self.process.wait()
        try:
            self._read()
        finally:
            if self._pipe is not None:
                asyncio.get_running_loop().remove_reader(self._pipe)
                os.close(self._pipe)
                self._pipe = None
        return code

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    def _read(self) -> None:
        try:
            data = os.read(self._pipe, 65_536) if self._pipe is not None else b""
        except BlockingIOError:
            return
        if not data and self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            said = orjson.loads(line)
            self.worker, self.queues, self.heard = said["worker"], said["queues"], time.monotonic()
            self.ready.set()


class Supervisor:
    """Runs `count` worker processes.

    Args:
        command: starts one worker.
        reload: a folder; its Python files are watched, and a change restarts the workers.
    """

    def __init__(self, settings: Settings, command: Sequence[str], count: int, reload: str | None) -> None:
        self._settings = settings
        self._children = [Child(number, command) for number in range(count)]
        self._reload = reload
        self._stopping = False
        self._exit_code = 0

    async def run(self, stop: StopSignal) -> int:
        """Until `stop` is asked and all have ended, or none can start. Returns an exit code."""
        connection = Connection(self._settings.redis_url or DEFAULT_REDIS, "supervisor")
        self._connection = connection
        places = [asyncio.create_task(self._keep_filled(child)) for child in self._children]
        chores = [
            asyncio.create_task(Loop("keep", self._keep_once).run()),
            asyncio.create_task(self._pass_on(stop)),
        ]
        if self._reload:
            chores.append(asyncio.create_task(self._watch_files(self._reload)))
        try:
            await asyncio.wait(places)
        finally:
            await cancel_all([*chores, *places])
            await connection.close()
        return self._exit_code

    async def restart(self) -> None:
        """A fresh process in every place, one after another; jobs finish first."""
        for child in self._children:
            child.ready.clear()
            child.retry.set()
            child.signal(signal.SIGTERM)
            await child.ready.wait()

    async def _keep_filled(self, child: Child) -> None:
        """A place for a process ends when all do, and by nothing else."""
        pause = 0.0
        while True:
            try:
                failed = await self._run_process(child)
            except Exception:  # noqa: BLE001 - the place must not stay empty
                _log.exception("Worker process %d can't be kept running; starting another.", child.number)
                child.signal(signal.SIGKILL)
                failed = True
            if self._stopping:
                return
            pause = min(max(pause * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S) if failed else 0.0
            child.retry.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await child.retry.wait()

    async def _run_process(self, child: Child) -> bool:
        """From its start to its end. Returns whether it failed soon."""
        started = time.monotonic()
        await child.start()
        code = await child.wait()
        await self._mourn(child)
        if code == USAGE and not any(other.heard for other in self._children):
            # It has printed its error; a retry would fail the same way.
            self._exit_code, self._stopping = code, True
            for other in self._children:
                other.signal(signal.SIGTERM)
        if not self._stopping:
            level = logging.WARNING if code else logging.INFO
            _log.log(level, "Worker process %d ended (%s); starting another.", child.number, _ending(code))
        return time.monotonic() - started < SOON_S and code != 0

    async def _mourn(self, child: Child) -> None:
        """What a dead child held moves on at once: nobody else can know that it is dead."""
        if child.worker is None:
            return
        try:
            for queue in child.queues:
                broker = QueueBroker(self._connection, queue)
                beats = await broker.workers.beats()
                if child.worker in beats:
                    await broker.workers.rescue_all(
                        child.worker, beats[child.worker] or 0, self._settings.job_ttl
                    )
        except InfinitasError as error:
            _log.warning("The jobs of %s wait for the rescuer: %s", child.worker, error)

    async def _keep_once(self) -> None:
        for child in self._children:
            alive = child.process is not None and child.process.returncode is None
            if not alive or child.worker is None:
                continue
            if time.monotonic() - child.heard > STUCK_AFTER_S:
                _log.error(
                    "Worker process %d has said nothing for %g s: killed.", child.number, STUCK_AFTER_S
                )
                child.signal(signal.SIGKILL)
                continue
            for queue in child.queues:
                await QueueBroker(self._connection, queue).workers.keep(child.worker)
        await asyncio.sleep(self._settings.lease / BEATS_PER_LEASE)

    async def _pass_on(self, stop: StopSignal) -> None:
        await stop.asked.wait()
        while stop.restart:
            stop.restart = False
            stop.asked.clear()
            _log.info("Restarting the worker processes.")
            restarting = asyncio.create_task(self.restart())
            await stop.asked.wait()
            restarting.cancel()
        self._stopping = True
        for child in self._children:
            child.signal(signal.SIGTERM)
        await stop.insisted.wait()
        for child in self._children:
            child.signal(signal.SIGTERM)
        await asyncio.Event().wait()

    async def _watch_files(self, folder: str) -> None:
        from watchfiles import PythonFilter, awatch

        async for changes in awatch(folder, watch_filter=PythonFilter()):
            names = ", ".join(sorted(path.removeprefix(f"{folder}/") for _, path in changes)[:3])
            _log.info("%s changed: restarting the worker processes.", names)
            await self.restart()


def child_command(arguments: Sequence[str]) -> list[str]:
    """`infinitas` with these arguments, in this Python."""
    return [sys.executable, "-m", "infinitas", *arguments]


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
