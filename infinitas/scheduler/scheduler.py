"""The scheduler process: its loops, one of each for every queue."""

import asyncio
from collections.abc import Sequence

from infinitas.broker.connection import Connection
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.moves import Moves
from infinitas.broker.presence import present
from infinitas.broker.queue import QueueBroker
from infinitas.broker.reconcile import Reconciliation
from infinitas.core.status import SCHEDULER
from infinitas.monitor.event_readers import EventReaderMonitor
from infinitas.monitor.overdue import OverdueMonitor
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.queue_loops import DEFAULT_QUEUE, run_for_queues
from infinitas.runtime.signals import StopSignal
from infinitas.scheduler.backfiller import Backfiller
from infinitas.scheduler.clock_monitor import ClockMonitor
from infinitas.scheduler.heartbeat_ping import HeartbeatPing
from infinitas.scheduler.orphan_detector import OrphanDetector
from infinitas.scheduler.promoter import Promoter
from infinitas.scheduler.reconciler import Reconciler
from infinitas.scheduler.redis_monitor import RedisMonitor
from infinitas.scheduler.replanner import Replanner
from infinitas.scheduler.rescuer import Rescuer
from infinitas.scheduler.task_mover import TaskMover
from infinitas.scheduler.ticker import Ticker

_log = get_logger("scheduler")


async def run_scheduler(settings: Settings, queues: Sequence[str] | None, stop: StopSignal) -> None:
    """Fire, promote and rescue until a stop is requested.

    Raises:
        ServerUnreachable, UnsafeBroker: at the start only.
    """
    connection = Connection(settings.redis_url or DEFAULT_REDIS, "scheduler")
    try:
        await connection.check()
        tickers: list[Ticker] = []

        def loops(queue: str) -> list[Loop]:
            broker = QueueBroker(connection, queue)
            tickers.append(Ticker(broker))
            reconciler = Reconciler(Reconciliation(connection, queue), settings.job_ttl)
            event_readers = EventReaderMonitor(Health(connection, queue), settings.events_max)
            return [
                Loop(f"ticker {queue}", tickers[-1].run_once),
                Loop(f"promoter {queue}", Promoter(broker, settings.job_ttl).run_once),
                Loop(f"rescuer {queue}", Rescuer(broker, settings.lease, settings.job_ttl).run_once),
                Loop(f"orphan detector {queue}", OrphanDetector(broker).run_once),
                Loop(f"replanner {queue}", Replanner(broker).run_once),
                Loop(f"backfiller {queue}", Backfiller(broker).run_once),
                Loop(f"clock monitor {queue}", ClockMonitor(broker).run_once),
                Loop(f"overdue {queue}", OverdueMonitor(broker).run_once),
                Loop(f"task mover {queue}", TaskMover(Moves(connection, queue)).run_once),
                Loop(f"reconciler {queue}", reconciler.run_once),
                Loop(f"event readers {queue}", event_readers.run_once),
            ]

        _log.info("Scheduler runs.")
        first = queues[0] if queues else DEFAULT_QUEUE
        shared = [Loop("redis monitor", RedisMonitor(Health(connection, first)).run_once)]
        if settings.heartbeat_url is not None:
            address = settings.heartbeat_url.get_secret_value()
            shared.append(Loop("heartbeat", HeartbeatPing(connection, address, tickers).run_once))
        async with present(connection, SCHEDULER):
            await asyncio.gather(
                run_loops(shared, stop.requested),
                run_for_queues(queues, lambda: list_queues(connection), loops, stop.requested),
            )
        _log.info("Scheduler has stopped.")
    finally:
        await connection.close()
