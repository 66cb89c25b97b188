"""Incidents of tasks that run elsewhere: by their pings, on a clock that the test moves."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from redis import Redis

from infinitas import Infinitas
from infinitas.broker.queue import QueueBroker
from infinitas.broker.virtual_clock import ClockedConnection
from infinitas.client.redis_client import RedisClient
from infinitas.core.ping_report import read_report
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from infinitas.testing import KitMaker
from tests.notifier.parts import Parts, notifier

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BACKUP = TaskDefinition(name="backup", external=True, timeout=1800)


def open_of(parts: Parts) -> list[tuple[str, str, str]]:
    found = parts.incidents("closed_at IS NULL")
    return [(each["kind"], each["subject"], each["error"]) for each in found]


async def test_missed_and_failed_runs_elsewhere_are_incidents_until_a_success_or_their_removal(
    infinitas_kit: KitMaker, servers: Urls, broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    async with (
        infinitas_kit(Infinitas(), NOON) as kit,
        notifier(broker, postgres_url) as parts,
        AsyncExitStack() as stack,
    ):
        client = RedisClient(servers.redis, None, 3600, ClockedConnection)
        stack.push_async_callback(client.close)
        await client.queues()
        _, address = await client.external.add(BACKUP, "0 * * * *", {"grace": 600})

        async def ping(what: str, body: bytes = b"") -> None:
            await client.external.ping(await client.external.token(address), read_report(what, body), "")

        await kit.advance(HOUR + timedelta(minutes=10))
        await parts.follow()
        missed = "The slot of 2026-05-04 13:00:00 UTC got no ping within its grace."
        assert open_of(parts) == [("missed", "backup", missed)]
        (notice,) = await parts.compose()
        assert notice.troubles[0].incident.missed == 1

        await kit.advance(timedelta(minutes=50))
        await ping("1", b"no space left")
        await parts.follow()
        assert open_of(parts) == [("failing", "backup", "exit code 1: no space left")]
        await kit.advance(HOUR)
        await ping("")
        await parts.follow()
        assert open_of(parts) == []

        await kit.advance(HOUR + timedelta(minutes=10))
        await ping("fail")
        await parts.follow()
        assert [kind for kind, *_ in open_of(parts)] == ["missed", "failing"]
        await client.external.remove("backup")
        await parts.follow()
        assert open_of(parts) == [], "nothing can end them any more"
