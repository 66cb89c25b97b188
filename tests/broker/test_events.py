"""How far the archive is behind, and the effect of forgetting its reader."""

from redis import Redis

from infinitas.broker.events import ARCHIVER, EventStream
from infinitas.broker.health import Health
from infinitas.broker.queue import QueueBroker
from tests.support import aeventually


async def test_the_lag_is_the_age_of_the_oldest_unread_event(broker: QueueBroker) -> None:
    stream = EventStream(broker.connection, "default", ARCHIVER)
    health = Health(broker.connection, "default")
    assert await health.lag_of(ARCHIVER) is None, "there was never an archiver"
    await stream.trim(await stream.newest())
    assert await health.lag_of(ARCHIVER) == 0.0
    await broker.audit(action="task.put", actor="w", target="t", reason="", origin="")

    async def is_behind() -> bool:
        return (await health.lag_of(ARCHIVER) or 0) > 0

    await aeventually(is_behind)


async def test_without_its_reader_the_stream_is_capped_again(broker: QueueBroker, redis: Redis) -> None:
    stream = EventStream(broker.connection, "default", ARCHIVER)
    await stream.trim("0-0")
    assert redis.hkeys("{infinitas:default}:readers") == [ARCHIVER]
    assert await stream.forget()
    assert not redis.exists("{infinitas:default}:readers")
    assert not await stream.forget()
