"""A listener that Redis has left is closed in silence."""

import asyncio
import gc
import logging

import pytest

from infinitas import Infinitas
from infinitas.broker.broker import Broker
from infinitas.broker.connection import Connection
from infinitas.core.errors import ServerUnreachable
from infinitas.scheduler.wake import Wake
from tests.own_redis import own_redis
from tests.support import aeventually


async def test_a_wake_that_is_closed_while_redis_is_away_reports_nothing(
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
        wake.close()
        wake._listening = None
        gc.collect()
        await connection.close()
    assert not caplog.records


async def test_a_client_that_waited_for_a_result_reports_nothing_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    with own_redis() as own:
        app = Infinitas(redis_url=own.url)

        @app.task
        async def work() -> None: ...

        job = await work.asend()
        waits = [asyncio.create_task(job.result(30)) for _ in range(2)]

        async def listens() -> bool:
            return any("xread" in client["cmd"] for client in own.admin.client_list())

        await aeventually(listens)
        own.server.stop()
        for wait in waits:
            with pytest.raises(ServerUnreachable):
                await wait
        app.close()
        gc.collect()
    assert not [record for record in caplog.records if "never retrieved" in record.getMessage()]
