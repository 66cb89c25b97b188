"""A blocked read that loses Redis is closed without a log line."""

import asyncio
import gc

import pytest

from infinitas.broker.connection import Connection
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.client.end_waiter import EndWaiter
from infinitas.core.task_definition import TaskDefinition
from infinitas.scheduler.wakeup import Wakeup
from tests.own_redis import own_redis
from tests.support import aeventually


async def test_a_wakeup_dropped_during_an_outage_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with own_redis() as own:
        connection = Connection(own.url, "test")
        wakeup = Wakeup(QueueBroker(connection, "default"))
        await wakeup.open()
        await wakeup.sleep(0.01)
        own.server.stop()

        async def over() -> bool:
            return wakeup._reading is not None and wakeup._reading.done()

        await aeventually(over)
        # A loop that is cancelled while it waits for the next try doesn't come back to it.
        wakeup._reading = None
        gc.collect()
        await connection.close()
    assert not caplog.records


async def test_a_client_that_gave_up_waiting_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with own_redis() as own:
        connection = Connection(own.url, "test")
        broker = QueueBroker(connection, "default")
        await broker.declarations.declare([TaskDefinition(name="t")], [])
        await broker.jobs.enqueue([NewJob(id="j", task="t", args="[[],{}]")])
        ends = EndWaiter(broker)
        waiting = asyncio.create_task(ends.wait("j"))

        async def listens() -> bool:
            return any(client["cmd"] == "xread" for client in own.admin.client_list())

        await aeventually(listens)
        waiting.cancel()
        own.server.stop()

        async def over() -> bool:
            return ends._listening is not None and ends._listening.done()

        await aeventually(over)
        ends._listening = None
        gc.collect()
        await connection.close()
    assert not caplog.records
