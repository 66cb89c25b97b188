"""How far the archive is behind, and what forgetting its reader does."""

from redis import Redis

from infinitas.broker.events import ARCHIVER, EventStream
from infinitas.broker.queue import Broker
from tests.support import aeventually


async def test_the_lag_is_the_age_of_the_oldest_event_that_waits(broker: Broker) -> None:
    stream = EventStream(broker.connection, "default", ARCHIVER)
    assert await stream.lag() is None, "there was never an archiver"
    await stream.trim(await stream.newest())
    assert await stream.lag() == 0.0
    await broker.audit(what="task.put", who="w", target="t", why="", origin="")

    async def is_behind() -> bool:
        return (await stream.lag() or 0) > 0

    await aeventually(is_behind)


async def test_without_its_reader_the_stream_is_capped_again(broker: Broker, redis: Redis) -> None:
    stream = EventStream(broker.connection, "default", ARCHIVER)
    await stream.trim("0-0")
    assert redis.hkeys("{infinitas:default}:readers") == [ARCHIVER]
    assert await stream.forget()
    assert not redis.exists("{infinitas:default}:readers")
    assert not await stream.forget()
