"""A listener that Redis has left is closed in silence."""

import asyncio
import gc

import pytest

from infinitas.broker.connection import Connection
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import Broker
from infinitas.client.end_waiter import Ends
from infinitas.core.task_definition import TaskDefinition
from infinitas.scheduler.wakeup import Wake
from tests.own_redis import own_redis
from tests.support import aeventually


async def test_a_wake_that_is_left_while_redis_is_away_reports_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with own_redis() as own:
        connection = Connection(own.url, "test")
        wake = Wake(Broker(connection, "default"))
        await wake.open()
        await wake.sleep(0.01)
        own.server.stop()

        async def over() -> bool:
            return wake._listening is not None and wake._listening.done()

        await aeventually(over)
        # A loop that is cancelled while it waits for the next try doesn't come back to it.
        wake._listening = None
        gc.collect()
        await connection.close()
    assert not caplog.records


async def test_a_client_that_gave_up_waiting_for_a_result_reports_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with own_redis() as own:
        connection = Connection(own.url, "test")
        broker = Broker(connection, "default")
        await broker.schedules.declare([TaskDefinition(name="t")], [])
        await broker.enqueue([NewJob(id="j", task="t", args="[[],{}]")])
        ends = Ends(broker)
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
