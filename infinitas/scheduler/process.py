"""The scheduler process: a ticker and a promoter for each queue."""

from collections.abc import Sequence

from infinitas.broker.broker import Broker
from infinitas.broker.connection import Connection
from infinitas.broker.inspect import queues as list_queues
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import Loop
from infinitas.runtime.process import StopSignal
from infinitas.runtime.queues import run_for_queues
from infinitas.scheduler.promoter import Promoter
from infinitas.scheduler.ticker import Ticker

_log = get_logger("scheduler")


async def run_scheduler(settings: Settings, queues: Sequence[str] | None, stop: StopSignal) -> None:
    """Fire and promote until `stop` is asked.

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
                Loop(f"promoter {queue}", Promoter(broker).run_once),
            ]

        _log.info("Scheduler runs.")
        await run_for_queues(queues, lambda: list_queues(connection), loops, stop.asked)
        _log.info("Scheduler has stopped.")
    finally:
        await connection.close()
