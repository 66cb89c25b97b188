"""The scheduler process: its loops, one of each for every queue."""

from collections.abc import Sequence

from infinitas.broker.broker import Broker
from infinitas.broker.connection import Connection
from infinitas.broker.inspect import queues as list_queues
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop
from infinitas.runtime.process import StopSignal
from infinitas.runtime.queues import run_for_queues
from infinitas.scheduler.backfiller import Backfiller
from infinitas.scheduler.clock import ClockWatch
from infinitas.scheduler.janitor import Janitor
from infinitas.scheduler.promoter import Promoter
from infinitas.scheduler.replanner import Replanner
from infinitas.scheduler.rescuer import Rescuer
from infinitas.scheduler.ticker import Ticker
from infinitas.watch import Watch

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
            broker = Broker(connection, queue)
            return [
                Loop(f"ticker {queue}", Ticker(broker).run_once),
                Loop(f"promoter {queue}", Promoter(broker, settings.job_ttl).run_once),
                Loop(f"rescuer {queue}", Rescuer(broker, settings.lease, settings.job_ttl).run_once),
                Loop(f"janitor {queue}", Janitor(broker).run_once),
                Loop(f"replanner {queue}", Replanner(broker).run_once),
                Loop(f"backfiller {queue}", Backfiller(broker).run_once),
                Loop(f"clock {queue}", ClockWatch(broker).run_once),
                Loop(f"watch {queue}", Watch(broker).run_once),
            ]

        _log.info("Scheduler runs.")
        await run_for_queues(queues, lambda: list_queues(connection), loops, stop.asked)
        _log.info("Scheduler has stopped.")
    finally:
        await connection.close()
