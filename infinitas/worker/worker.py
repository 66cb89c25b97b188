"""The worker: one session after another, until it is stopped."""

import asyncio
from collections.abc import Sequence, Sized
from functools import partial

from infinitas.core.errors import ConfigError, InfinitasError, NameTaken
from infinitas.core.plural import counted
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.signals import StopSignal
from infinitas.tasks.registry import Registry
from infinitas.worker.capacity import Capacity
from infinitas.worker.executor import Executor
from infinitas.worker.heartbeat_thread import HeartbeatThread
from infinitas.worker.log_capture import capturing
from infinitas.worker.registration import Place
from infinitas.worker.session import Session
from infinitas.worker.transport.interface import Transport
from infinitas.worker.transport.open import open_transport

_log = get_logger("worker")
REJOIN_AFTER_S = 1.0
BURST_PATIENCE_S = 0.1
PATIENCE_S = 2.0
"""How long an idle worker waits for a bell: one may ring for a worker that is frozen or cut off."""


class Worker:
    """One worker of an app; `run` returns when it has stopped.

    Args:
        queues: names of the queues to serve; None: all of the app's.
        burst: stop when no job is left.
        max_jobs: stop after this number of jobs; None: no limit.
        interrupts: interrupt async code that blocks the loop beyond its limit, by a signal. Only for
            a process of our own.

    Raises:
        ConfigError: the app has no tasks in these queues.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        queues: Sequence[str] | None = None,
        *,
        burst: bool = False,
        max_jobs: int | None = None,
        interrupts: bool = False,
    ) -> None:
        self._plugins = registry.plugins
        self._settings = settings
        wanted = set(queues or registry.queues)
        self._tasks = {n: t for n, t in registry.tasks.items() if t.definition.queue in wanted}
        if not self._tasks:
            where = f" in the queues {', '.join(sorted(wanted))}" if queues else ""
            raise ConfigError(f"This app has no tasks{where}: there is nothing to work on.")
        self._queues = sorted({task.definition.queue for task in self._tasks.values()})
        self._burst = burst
        self._max_jobs = max_jobs
        self._interrupts = interrupts
        self.ready = asyncio.Event()
        """Set once the tasks are declared and the worker claims jobs."""
        self.session: Session | None = None
        """The present session; None before the first one."""
        self.abandoned = False
        """Set after `run`: code that could not be stopped still runs, in a thread or in the loop."""

    async def run(self, stop: StopSignal) -> None:
        """Serve until `stop` is received, finish running jobs, then leave.

        Raises:
            ServerUnreachable, UnsafeBroker, ConfigError: the worker could not start. A worker that
                has served retries instead.
            Unauthorized, Forbidden, ConfigError: the server refuses this worker, at its start or later.
        """
        source = open_transport(self._settings)
        capacity = Capacity(self._settings.concurrency, self._max_jobs)
        executor = Executor(self._tasks, self._plugins)
        try:
            with capturing(self._tasks.values()):
                await source.check()
                await self._run_sessions(source, executor, capacity, stop)
        finally:
            self.abandoned = capacity.busy > 0
            executor.close()
            await source.close()

    async def _run_sessions(
        self, source: Transport, executor: Executor, capacity: Capacity, stop: StopSignal
    ) -> None:
        place, waiting = Place(), False
        while not stop.requested.is_set():
            session = Session(
                place.fresh_name(),
                place,
                self._tasks,
                {queue: source.queue(queue) for queue in self._queues},
                self._settings,
                executor,
                capacity,
                HeartbeatThread(source, self._queues, self._settings.lease, self._interrupts),
                on_end=partial(self._stop_when_used_up, capacity, stop),
                patience_s=BURST_PATIENCE_S if self._burst else PATIENCE_S,
            )
            try:
                await session.join()
            except InfinitasError as error:
                # At the start the caller handles the error; a worker that has served retries.
                refused = source.refusal is not None or isinstance(error, NameTaken)
                if not self.ready.is_set() or refused:
                    raise
                if not waiting:
                    _log.warning("The worker can't join again: %s Trying again until it works.", error)
                waiting = True
                await asyncio.sleep(REJOIN_AFTER_S)
                continue
            waiting = False
            self.session = session
            names = ", ".join(self._tasks) if len(self._tasks) <= 5 else f"{len(self._tasks)} tasks"
            _log.info("Worker %s serves %s, capacity %d.", session.id, names, capacity.total)
            self._plugins.call("on_worker_start", session.id)
            self.ready.set()
            stop.life.begin("worker", partial(_describe, self._tasks, capacity))
            burst = asyncio.create_task(self._stop_when_idle(session, stop)) if self._burst else None
            try:
                await session.serve(stop)
            finally:
                if burst is not None:
                    burst.cancel()
                self._plugins.call("on_worker_stop", session.id)
                _log.info("Worker %s has stopped.", session.id)
            if session.drained:
                return

    def _stop_when_used_up(self, capacity: Capacity, stop: StopSignal) -> None:
        if capacity.used_up and not stop.requested.is_set():
            _log.info("%s done: stopping.", counted(self._max_jobs or 0, "job"))
            stop.request()

    async def _stop_when_idle(self, session: Session, stop: StopSignal) -> None:
        while not session.idle:  # noqa: ASYNC110 - idle combines many states
            await asyncio.sleep(0.02)
        if not stop.requested.is_set():
            stop.request()


def _describe(tasks: Sized, capacity: Capacity) -> str:
    return f"{counted(len(tasks), 'task')}, {capacity.busy:,} running, {capacity.given_back:,} done"
