"""Keeps worker processes running: restarts ended ones, sends heartbeats for living ones, kills stuck ones.

The supervisor knows at once that a child has died, so it requeues the child's jobs at once.
"""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Sequence

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.core.errors import InfinitasError
from infinitas.core.plural import counted
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.life import Life
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.runtime.signals import StopSignal
from infinitas.runtime.systemd import notify
from infinitas.worker.heartbeat import HEARTBEATS_PER_LEASE, longest_wait_s
from infinitas.worker.supervised_process import SupervisedProcess

_log = get_logger("supervisor")
STUCK_AFTER_S = 60.0
SOON_S = 5.0
"""A process that fails within this time is started again after a pause."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
USAGE = 2
"""Exit code of a wrong command line, app or setting."""


class Supervisor:
    """Runs `count` worker processes.

    Args:
        command: starts one worker.
        reload: a folder; a change of a Python file in it restarts the workers.
    """

    def __init__(self, settings: Settings, command: Sequence[str], count: int, reload: str | None) -> None:
        self._settings = settings
        self._children = [SupervisedProcess(number, command) for number in range(count)]
        self._reload = reload
        self._stopping = False
        self._exit_code = 0

    async def run(self, stop: StopSignal) -> int:
        """Run until `stop` is received and all processes have ended, or none can start.

        Returns:
            The exit code for the supervisor's own process.
        """
        connection = Connection(self._settings.redis_url or DEFAULT_REDIS, "supervisor")
        self._connection = connection
        children = [asyncio.create_task(self._keep_running(child)) for child in self._children]
        heartbeats = Loop(
            "supervisor heartbeat", self._send_heartbeats_once, longest_wait_s(self._settings.lease)
        )
        chores = [
            asyncio.create_task(heartbeats.run()),
            asyncio.create_task(self._forward_signals(stop)),
            asyncio.create_task(self._report_ready(stop.life)),
        ]
        if self._reload:
            chores.append(asyncio.create_task(self._restart_on_changes(self._reload)))
        try:
            await asyncio.wait(children)
        finally:
            await cancel_all([*chores, *children])
            await connection.close()
        return self._exit_code

    async def restart(self) -> None:
        """Replace every process by a fresh one, one after another; running jobs finish first."""
        for child in self._children:
            child.ready.clear()
            child.retry.set()
            child.signal(signal.SIGTERM)
            await child.ready.wait()

    async def _keep_running(self, child: SupervisedProcess) -> None:
        """Start the process again whenever it ends, until the supervisor stops."""
        pause_s = 0.0
        while True:
            try:
                failed = await self._run_process(child)
            except Exception:  # noqa: BLE001 - the worker must be started again whatever happened
                _log.exception("Worker process %d can't be kept running; starting another.", child.number)
                child.signal(signal.SIGKILL)
                failed = True
            if self._stops():
                return
            pause_s = min(max(pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S) if failed else 0.0
            child.retry.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await child.retry.wait()
            if self._stops():  # during the pause, when there was no process to signal
                return

    def _stops(self) -> bool:
        return self._stopping

    async def _run_process(self, child: SupervisedProcess) -> bool:
        """Run one process from start to end. Returns whether it failed within SOON_S."""
        started = time.monotonic()
        await child.start()
        if self._stops():  # during the start, when there was no process to signal
            child.signal(signal.SIGTERM)
        code = await child.wait()
        await self._rescue_jobs_of(child)
        if code == USAGE and not any(other.reported_at for other in self._children):
            # It printed its error already; a retry would fail the same way.
            self._exit_code, self._stopping = code, True
            for other in self._children:
                other.retry.set()
                other.signal(signal.SIGTERM)
        if not self._stopping:
            level = logging.WARNING if code else logging.INFO
            _log.log(level, "Worker process %d ended (%s); starting another.", child.number, _ending(code))
        return time.monotonic() - started < SOON_S and code != 0

    async def _rescue_jobs_of(self, child: SupervisedProcess) -> None:
        """Requeue a dead child's jobs at once, without waiting for its lease."""
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

    async def _send_heartbeats_once(self) -> None:
        """Send one heartbeat for each living child in each of its queues, and kill stuck children.

        Raises:
            InfinitasError: Redis refused a heartbeat; all others were sent.
        """
        refused: InfinitasError | None = None
        for child in self._children:
            if not child.is_alive or child.worker is None:
                continue
            if time.monotonic() - child.reported_at > STUCK_AFTER_S:
                _log.error(
                    "Worker process %d has not reported for %g s: killed.", child.number, STUCK_AFTER_S
                )
                child.signal(signal.SIGKILL)
                continue
            for queue in child.queues:
                try:
                    await QueueBroker(self._connection, queue).workers.beat_for(child.worker)
                except InfinitasError as error:
                    refused = refused or error
        if refused is not None:
            raise refused
        await asyncio.sleep(self._settings.lease / HEARTBEATS_PER_LEASE)

    async def _forward_signals(self, stop: StopSignal) -> None:
        await stop.requested.wait()
        while stop.restart:
            stop.restart = False
            stop.requested.clear()
            _log.info("Restarting the worker processes.")
            restarting = asyncio.create_task(self._replace_all())
            await stop.requested.wait()
            restarting.cancel()
        self._stopping = True
        for child in self._children:
            child.retry.set()
            child.signal(signal.SIGTERM)
        await stop.forced.wait()
        for child in self._children:
            child.signal(signal.SIGTERM)
        await asyncio.Event().wait()

    async def _replace_all(self) -> None:
        await self.restart()
        notify("READY=1", f"STATUS={self._describe()}")

    async def _report_ready(self, life: Life) -> None:
        for child in self._children:
            await child.ready.wait()
        life.begin("supervisor", self._describe)

    def _describe(self) -> str:
        living = sum(child.is_alive for child in self._children)
        return f"{living} of {counted(len(self._children), 'worker')} run"

    async def _restart_on_changes(self, folder: str) -> None:
        from watchfiles import PythonFilter, awatch

        async for changes in awatch(folder, watch_filter=PythonFilter()):
            names = ", ".join(sorted(path.removeprefix(f"{folder}/") for _, path in changes)[:3])
            _log.info("%s changed: restarting the worker processes.", names)
            await self.restart()


def child_command(arguments: Sequence[str]) -> list[str]:
    """Returns the command line that runs `infinitas` with these arguments in this Python."""
    return [sys.executable, "-m", "infinitas", *arguments]


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
