"""The scheduler process: its loops, one of each for every queue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from infinitas.broker.connection import Connection
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.moves import Moves
from infinitas.broker.pressure import Pressure
from infinitas.broker.queue import QueueBroker
from infinitas.broker.reconcile import Reconciliation
from infinitas.core.errors import ConfigError
from infinitas.core.plural import counted
from infinitas.monitor.event_readers import EventReaderMonitor
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.monitor.presence import present
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.queue_loops import DEFAULT_QUEUE, run_for_queues
from infinitas.runtime.signals import StopSignal
from infinitas.scheduler.backfiller import Backfiller
from infinitas.scheduler.clock_monitor import ClockMonitor
from infinitas.scheduler.heartbeat_ping import HeartbeatPing
from infinitas.scheduler.orphan_detector import OrphanDetector
from infinitas.scheduler.pressure_monitor import PressureMonitor
from infinitas.scheduler.promoter import Promoter
from infinitas.scheduler.reconciler import Reconciler
from infinitas.scheduler.redis_monitor import RedisMonitor
from infinitas.scheduler.replanner import Replanner
from infinitas.scheduler.rescuer import Rescuer
from infinitas.scheduler.task_mover import TaskMover
from infinitas.scheduler.ticker import Ticker

if TYPE_CHECKING:
    from infinitas.scheduler.restore_archive import RestoreArchive

_log = get_logger("scheduler")


async def run_scheduler(settings: Settings, queues: Sequence[str] | None, stop: StopSignal) -> None:
    """Fire, promote and rescue until a stop is requested.

    Raises:
        ServerUnreachable, UnsafeBroker: at the start only.
    """
    connection = Connection(settings.redis_url or DEFAULT_REDIS, "scheduler")
    archive = _open_archive(settings)
    try:
        await connection.check()
        tickers: list[Ticker] = []

        def loops(queue: str) -> list[Loop]:
            broker = QueueBroker(connection, queue)
            tickers.append(Ticker(broker))
            reconciler = Reconciler(Reconciliation(connection, queue), settings.job_ttl)
            pressure = PressureMonitor(Pressure(connection, queue), Health(connection, queue), settings)
            event_readers = EventReaderMonitor(Health(connection, queue), settings.events_max)
            mover = TaskMover(Moves(connection, queue))
            gate = archive.gate(connection, queue, settings.job_ttl) if archive else None
            hold = gate.held if gate else _as_it_is
            found = [
                Loop(f"ticker {queue}", hold(tickers[-1].run_once)),
                Loop(f"promoter {queue}", hold(Promoter(broker, settings.job_ttl).run_once)),
                Loop(f"rescuer {queue}", hold(Rescuer(broker, settings.lease, settings.job_ttl).run_once)),
                Loop(f"orphan detector {queue}", hold(OrphanDetector(broker).run_once)),
                Loop(f"replanner {queue}", hold(Replanner(broker).run_once), longest_pass_s=None),
                Loop(f"backfiller {queue}", hold(Backfiller(broker).run_once)),
                Loop(f"clock monitor {queue}", ClockMonitor(broker).run_once),
                Loop(f"overdue {queue}", hold(OverdueMonitor(broker).run_once)),
                Loop(f"task mover {queue}", hold(mover.run_once), longest_pass_s=None),
                Loop(f"reconciler {queue}", hold(reconciler.run_once), longest_pass_s=None),
                Loop(f"pressure monitor {queue}", pressure.run_once),
                Loop(f"event readers {queue}", event_readers.run_once),
            ]
            return [*found, Loop(f"restorer {queue}", gate.run_once)] if gate else found

        _log.info("Scheduler runs.")
        first = queues[0] if queues else DEFAULT_QUEUE
        shared = [
            Loop("redis monitor", RedisMonitor(Health(connection, first)).run_once),
        ]
        if settings.heartbeat_url is not None:
            address = settings.heartbeat_url.get_secret_value()
            shared.append(Loop("heartbeat", HeartbeatPing(connection, address, tickers).run_once))
        every_queue = archive.known_queues(connection) if archive else partial(list_queues, connection)
        stop.life.begin("scheduler", lambda: _describe(tickers))
        async with present(connection, "scheduler", stop.life):
            await asyncio.gather(
                run_loops(shared, stop.requested),
                run_for_queues(queues, every_queue, loops, stop.requested),
            )
        _log.info("Scheduler has stopped.")
    finally:
        if archive:
            await archive.close()
        await connection.close()


def _as_it_is(run_once: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    return run_once


def _open_archive(settings: Settings) -> "RestoreArchive | None":
    """The archive that a lost Redis is restored from; None without one, or without its driver."""
    if settings.postgres_url is None:
        return None
    try:
        from infinitas.scheduler.restore_archive import RestoreArchive

        return RestoreArchive(settings.postgres_url)
    except ConfigError as error:
        _log.warning("A Redis that has lost data will not be restored by this scheduler: %s", error)
        return None


def _describe(tickers: Sequence[Ticker]) -> str:
    slots, queues = sum(each.fired for each in tickers), len(tickers)
    return f"{counted(queues, 'queue')}, {counted(slots, 'slot')} fired"
