"""The worker process: declares its tasks, then intake, executor, outbox and beat until it stops."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Sequence

import orjson

import infinitas
from infinitas.app import Infinitas
from infinitas.broker.broker import Broker, ClaimedJob
from infinitas.broker.connection import Connection
from infinitas.broker.workers import leave
from infinitas.core.codec import to_ms
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.runtime.config import DEFAULT_REDIS
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, cancel_all, run_loops
from infinitas.runtime.process import StopSignal
from infinitas.worker.beat import Beat
from infinitas.worker.executor import Executor, JobLogHandler
from infinitas.worker.intake import Intake
from infinitas.worker.outbox import Outbox
from infinitas.worker.slots import Slots

_log = get_logger("worker")


class Worker:
    """One worker of an app; `run` returns when it has stopped.

    Args:
        queues: which of the app's queues to serve; None: all.
    """

    def __init__(self, app: Infinitas, queues: Sequence[str] | None = None) -> None:
        self._settings = app.settings
        self._url = self._settings.redis_url or DEFAULT_REDIS
        host = "".join(c if c.isalnum() or c in "-_." else "-" for c in socket.gethostname())
        self.id = f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
        wanted = set(queues) if queues else {task.definition.queue for task in app.tasks.values()}
        self._tasks = {n: t for n, t in app.tasks.items() if t.definition.queue in wanted}
        if not self._tasks:
            where = f" in the queues {', '.join(sorted(wanted))}" if queues else ""
            raise ConfigError(f"This app has no tasks{where}: there is nothing to work on.")
        self._by_queue: dict[str, list[str]] = {}
        for name, task in sorted(self._tasks.items()):
            self._by_queue.setdefault(task.definition.queue, []).append(name)
        self.ready = asyncio.Event()
        """Set once the tasks are declared and jobs are taken."""
        self._running: dict[str, tuple[ClaimedJob, asyncio.Task[None]]] = {}

    async def run(self, stop: StopSignal) -> None:
        """Serve until `stop` is asked, finish what runs, then leave.

        Raises:
            ServerUnreachable, UnsafeBroker: at the start only.
        """
        self._connection = Connection(self._url, "worker")
        handler = JobLogHandler()
        logging.getLogger().addHandler(handler)
        try:
            await self._connection.check()
            self._brokers = {queue: Broker(self._connection, queue) for queue in self._by_queue}
            self._started_ms = await self._declare()
            await self._serve(stop)
        finally:
            logging.getLogger().removeHandler(handler)
            await self._connection.close()

    async def _declare(self) -> int:
        now_ms = 0
        for queue, names in self._by_queue.items():
            broker, tasks = self._brokers[queue], [self._tasks[name] for name in names]
            now = await broker.now()
            schedules = [task.schedule for task in tasks if task.schedule]
            await broker.declare([task.definition for task in tasks], schedules, now)
            now_ms = to_ms(now)
        return now_ms

    async def _serve(self, stop: StopSignal) -> None:
        settings = self._settings
        self._slots = Slots(settings.concurrency)
        outbox = Outbox(self.id, self._brokers, settings.job_ttl)
        self._executor = Executor(self._tasks, outbox, settings.concurrency)
        beat = Beat(self._url, self.id, self._by_queue, self._facts, settings.lease)
        intakes = [
            Loop(f"intake {queue}", Intake(broker, self.id, names, self._slots, self._start).run_once)
            for queue, names in self._by_queue.items()
            for broker in [self._brokers[queue]]
        ]
        sending = asyncio.create_task(Loop("outbox", outbox.run_once).run())
        beat.start()
        _log.info("Worker %s serves %d tasks with %d slots.", self.id, len(self._tasks), self._slots.total)
        self.ready.set()
        try:
            await run_loops(intakes, stop.asked)
            await self._drain(stop)
            await self._say_last_words(outbox)
        finally:
            await cancel_all([sending])
            beat.stop()
            self._executor.close()
        await self._leave()

    def _start(self, claimed: ClaimedJob) -> bool:
        """Run a claimed job beside the others. False if it runs here already."""
        if claimed.id in self._running:
            return False
        task = asyncio.create_task(self._run(claimed), name=claimed.id)
        self._running[claimed.id] = claimed, task
        return True

    async def _run(self, claimed: ClaimedJob) -> None:
        try:
            await self._executor.execute(claimed)
        except Exception:  # noqa: BLE001 - a defect of ours: say so, and don't lose the slot
            _log.exception("Job %s could not be run.", claimed.id)
        finally:
            del self._running[claimed.id]
            await self._slots.give_back()

    async def _drain(self, stop: StopSignal) -> None:
        """Let jobs finish until the deadline or a second signal; hand back what is left."""
        if not self._running:
            return
        limit = self._settings.shutdown_timeout
        _log.info("Stopping: %d jobs may finish within %g s.", len(self._running), limit)
        jobs = [task for _, task in self._running.values()]
        insisted = asyncio.create_task(stop.insisted.wait())
        idle = asyncio.create_task(self._slots.wait_for_idle())
        await asyncio.wait({idle, insisted}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        insisted.cancel()
        idle.cancel()
        left = [claimed for claimed, _ in self._running.values()]
        if left:
            await self._release(left)
            for job in jobs:
                job.cancel()
            await asyncio.wait(jobs, timeout=1)

    async def _release(self, left: list[ClaimedJob]) -> None:
        for queue, broker in self._brokers.items():
            names = self._by_queue[queue]
            jobs = [(job.id, job.attempt) for job in left if job.task in names]
            try:
                released = await broker.release(self.id, jobs)
                _log.info("Handed %d unfinished jobs back.", released)
            except ServerUnreachable as error:
                _log.warning("Unfinished jobs could not be handed back: %s", error)

    async def _say_last_words(self, outbox: Outbox) -> None:
        try:
            await outbox.flush()
        except ServerUnreachable as error:
            _log.warning("The last log lines are lost: %s", error)

    async def _leave(self) -> None:
        try:
            await leave(self._connection, self.id, self._by_queue)
        except ServerUnreachable as error:
            _log.warning("Could not sign off: %s", error)
        _log.info("Worker %s has stopped.", self.id)

    def _facts(self) -> dict[str, str | int]:
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": infinitas.__version__,
            "started": self._started_ms,
            "slots": self._slots.total,
            "busy": self._slots.busy,
            "queues": orjson.dumps(sorted(self._by_queue)).decode(),
            "tasks": orjson.dumps(sorted(self._tasks)).decode(),
        }
