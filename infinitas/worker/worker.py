"""The worker process: sessions, one after another, until it is asked to stop."""

import asyncio
from collections.abc import Sequence
from functools import partial

from infinitas.app.app import Infinitas
from infinitas.core.errors import ConfigError, InfinitasError
from infinitas.runtime.logging import get_logger
from infinitas.runtime.signals import StopSignal
from infinitas.worker.capacity import Slots
from infinitas.worker.executor import Executor
from infinitas.worker.heartbeat_thread import Beat
from infinitas.worker.log_capture import capturing
from infinitas.worker.session import Place, Session
from infinitas.worker.transport.interface import Source, open_source

_log = get_logger("worker")
REJOIN_AFTER_S = 1.0
BURST_PATIENCE_S = 0.1
PATIENCE_S = 2.0
"""A bell may ring for a worker that is frozen or cut off; the others look by themselves so often."""


class Worker:
    """One worker of an app; `run` returns when it has stopped.

    Args:
        queues: which of the app's queues to serve; None: all.
        burst: stop when there is nothing left to do.
        max_jobs: stop after so many jobs.
        interrupts: async code that blocks the loop beyond its limit is interrupted by a signal. Only
            for a process of our own.
    """

    def __init__(
        self,
        app: Infinitas,
        queues: Sequence[str] | None = None,
        *,
        burst: bool = False,
        max_jobs: int | None = None,
        interrupts: bool = False,
    ) -> None:
        self._app = app
        self._settings = app.settings
        wanted = set(queues) if queues else {task.definition.queue for task in app.tasks.values()}
        self._tasks = {n: t for n, t in app.tasks.items() if t.definition.queue in wanted}
        if not self._tasks:
            where = f" in the queues {', '.join(sorted(wanted))}" if queues else ""
            raise ConfigError(f"This app has no tasks{where}: there is nothing to work on.")
        self._queues = sorted({task.definition.queue for task in self._tasks.values()})
        self._burst = burst
        self._max_jobs = max_jobs
        self._interrupts = interrupts
        self.ready = asyncio.Event()
        """Set once the tasks are declared and jobs are taken."""
        self.session: Session | None = None
        self.abandoned = False
        """After `run`: code that could not be stopped still runs, in a thread or in the loop."""

    async def run(self, stop: StopSignal) -> None:
        """Serve until `stop` is asked, finish what runs, then leave.

        Raises:
            ServerUnreachable, UnsafeBroker, ConfigError: at the start only.
        """
        source = open_source(self._settings)
        slots = Slots(self._settings.concurrency, self._max_jobs)
        executor = Executor(self._tasks, self._app.plugins)
        try:
            with capturing(self._tasks.values()):
                await source.check()
                await self._run_sessions(source, executor, slots, stop)
        finally:
            self.abandoned = slots.busy > 0
            executor.close()
            await source.close()

    async def _run_sessions(self, source: Source, executor: Executor, slots: Slots, stop: StopSignal) -> None:
        place, waiting = Place(), False
        while not stop.requested.is_set():
            session = Session(
                place.fresh_name(),
                place,
                self._tasks,
                {queue: source.edges(queue) for queue in self._queues},
                self._settings,
                executor,
                slots,
                Beat(source, self._queues, self._settings.lease, self._interrupts),
                on_end=partial(self._stop_when_used_up, slots, stop),
                patience_s=BURST_PATIENCE_S if self._burst else PATIENCE_S,
            )
            try:
                await session.join()
            except InfinitasError as error:
                # At the start people watch, or a manager does; a worker that has served waits.
                if not self.ready.is_set():
                    raise
                if not waiting:
                    _log.warning("The worker can't join again: %s Trying again until it works.", error)
                waiting = True
                await asyncio.sleep(REJOIN_AFTER_S)
                continue
            waiting = False
            self.session = session
            names = ", ".join(self._tasks) if len(self._tasks) <= 5 else f"{len(self._tasks)} tasks"
            _log.info("Worker %s serves %s with %d slots.", session.id, names, slots.total)
            self._app.plugins.call("on_worker_start", session.id)
            self.ready.set()
            watching = asyncio.create_task(self._stop_when_idle(session, stop)) if self._burst else None
            await session.serve(stop)
            if watching is not None:
                watching.cancel()
            self._app.plugins.call("on_worker_stop", session.id)
            _log.info("Worker %s has stopped.", session.id)

    def _stop_when_used_up(self, slots: Slots, stop: StopSignal) -> None:
        if slots.used_up and not stop.requested.is_set():
            _log.info("%d jobs are done: stopping.", self._max_jobs)
            stop.request()

    async def _stop_when_idle(self, session: Session, stop: StopSignal) -> None:
        while not session.idle:  # noqa: ASYNC110 - idle is a sum of many states
            await asyncio.sleep(0.02)
        if not stop.requested.is_set():
            stop.request()
