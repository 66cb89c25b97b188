"""The scheduler process: its loops, one of each for every queue."""

import asyncio
from collections.abc import Sequence

from infinitas.broker.connection import Connection
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.queue import QueueBroker
from infinitas.broker.reconcile import Reconciliation
from infinitas.monitor.event_readers import EventsWatch
from infinitas.monitor.overdue import Watch
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.queue_loops import DEFAULT_QUEUE, run_for_queues
from infinitas.runtime.signals import StopSignal
from infinitas.scheduler.backfiller import Backfiller
from infinitas.scheduler.clock_jumps import ClockWatch
from infinitas.scheduler.orphan_detector import Janitor
from infinitas.scheduler.promoter import Promoter
from infinitas.scheduler.reconciler import Reconciler
from infinitas.scheduler.redis_watch import RedisWatch
from infinitas.scheduler.replanner import Replanner
from infinitas.scheduler.rescuer import Rescuer
from infinitas.scheduler.ticker import Ticker

_log = get_logger("scheduler")


async def run_scheduler(settings: Settings, queues: Sequence[str] | None, stop: StopSignal) -> None:
    """Fire, promote and rescue until `stop` is asked.

    Raises:
        ServerUnreachable, UnsafeBroker: at the start only.
    """
    connection = Connection(settings.redis_url or DEFAULT_REDIS, "scheduler")
    try:
        await connection.check()

        def loops(queue: str) -> list[Loop]:
            broker = QueueBroker(connection, queue)
            reconciler = Reconciler(Reconciliation(connection, queue), settings.job_ttl)
            events_watch = EventsWatch(Health(connection, queue), settings.events_max)
            return [
                Loop(f"ticker {queue}", Ticker(broker).run_once),
                Loop(f"promoter {queue}", Promoter(broker, settings.job_ttl).run_once),
                Loop(f"rescuer {queue}", Rescuer(broker, settings.lease, settings.job_ttl).run_once),
                Loop(f"janitor {queue}", Janitor(broker).run_once),
                Loop(f"replanner {queue}", Replanner(broker).run_once),
                Loop(f"backfiller {queue}", Backfiller(broker).run_once),
                Loop(f"clock {queue}", ClockWatch(broker).run_once),
                Loop(f"watch {queue}", Watch(broker).run_once),
                Loop(f"reconciler {queue}", reconciler.run_once),
                Loop(f"events watch {queue}", events_watch.run_once),
            ]

        _log.info("Scheduler runs.")
        first = queues[0] if queues else DEFAULT_QUEUE
        redis_watch = Loop("redis watch", RedisWatch(Health(connection, first)).run_once)
        await asyncio.gather(
            run_loops([redis_watch], stop.asked),
            run_for_queues(queues, lambda: list_queues(connection), loops, stop.asked),
        )
        _log.info("Scheduler has stopped.")
    finally:
        await connection.close()
