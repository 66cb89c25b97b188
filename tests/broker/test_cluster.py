"""`redis+cluster://`: every edge runs on the shard of its queue, and follows it to another node."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis import Redis

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.broker.sync_enqueue import SyncEnqueuer
from infinitas.client.job_ids import fresh_id
from infinitas.core.errors import ConfigError, InfinitasError, ServerUnreachable, UnsafeBroker
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from infinitas.runtime.urls import checked_redis_url
from tests.broker.scenarios import SCENARIOS, TASK
from tests.clusters import PASSWORD, SHARDS, ClusterSystem, Node, cluster_system
from tests.proxy import Proxy
from tests.support import aeventually

P = QueueKeys("default").prefix


@pytest.fixture(scope="module")
def system() -> Iterator[ClusterSystem]:
    with cluster_system() as system:
        yield system


@pytest.fixture
def url(system: ClusterSystem) -> str:
    system.wait_until_ready()
    for node in system.nodes:
        if node.role() == "master":
            node.admin.flushall()
    return checked_redis_url(system.url)


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Connection]:
    connection = Connection(url, "test")
    yield connection
    await connection.close()


@pytest.fixture
def direct(url: str) -> Iterator[SyncEnqueuer]:
    direct = SyncEnqueuer(url)
    yield direct
    direct.close()


async def edges(connection: Connection) -> QueueBroker:
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([TASK], [])
    for worker in ("w1", "w2"):
        await broker.workers.join(worker, ["t"], 60)
    return broker


def everything_in(node: Node) -> dict[bytes, bytes]:
    with Redis(port=node.port, password=PASSWORD) as raw:
        return {key: bytes(raw.dump(key) or b"") for key in raw.scan_iter()}


def new_job() -> NewJob:
    return NewJob(id=fresh_id(), task="t", args="[[],{}]")


def test_urls(url: str) -> None:
    for wrong in ("redis+cluster://h/1", "redis+cluster://h,", "redis+cluster://h?db=1"):
        with pytest.raises(ValueError, match=r"Cluster|options"):
            checked_redis_url(wrong)


async def test_a_url_of_the_other_kind_is_refused_and_the_right_one_named(
    servers: Urls, system: ClusterSystem, proxy_port: int
) -> None:
    node = f"redis://:{PASSWORD}@127.0.0.1:{system.other_than(system.primary_of(P)).port}"
    alone = f"redis+cluster://127.0.0.1:{proxy_port}"
    for wrong, error, remedy in (
        (node, UnsafeBroker, r"redis\+cluster://"),
        (alone, ConfigError, "redis://"),
    ):
        connection, direct = Connection(wrong, "test"), SyncEnqueuer(wrong)
        with pytest.raises(error, match=remedy):
            await connection.check()
        with pytest.raises(error, match=remedy):
            direct.run_script("now", "default")
        direct.close()
        await connection.close()


async def test_every_edge_runs_whole_and_not_while_its_hash_slot_is_half_moved(
    system: ClusterSystem, connection: Connection
) -> None:
    await connection.check()
    for name, scenario in SCENARIOS.items():
        for node in system.nodes:
            if node.role() == "master":
                node.admin.flushall()
        broker = await edges(connection)
        await scenario.prepare(broker)
        primary = system.primary_of(P)
        before = everything_in(primary)
        with (
            system.moving(P, system.other_than(primary)),
            pytest.raises(ServerUnreachable, match="moves a hash slot"),
        ):
            await scenario.act(broker)
        assert everything_in(primary) == before, name
        assert await scenario.act(broker), name


async def test_queues_of_all_shards_are_read_in_one_round(
    connection: Connection, direct: SyncEnqueuer
) -> None:
    queues = [f"q{i}" for i in range(3 * SHARDS)]
    for queue in queues:
        task = TaskDefinition(name=f"t-{queue}", queue=queue)
        await QueueBroker(connection, queue).declarations.declare([task], [])
    pipe = connection.pipeline()
    for queue in queues:
        pipe.hkeys(QueueKeys(queue)["tasks"])
    assert await connection.execute(pipe) == [[f"t-{queue}"] for queue in queues]
    times = [direct.run_script("now", queue) for queue in queues]
    assert max(times) - min(times) < 60_000


def sent_directly(direct: SyncEnqueuer) -> bool:
    try:
        return direct.enqueue("default", [new_job()])[0].accepted
    except ServerUnreachable:
        return False


async def test_a_hash_slot_that_has_moved_is_found(
    system: ClusterSystem, connection: Connection, direct: SyncEnqueuer
) -> None:
    broker = await edges(connection)
    assert direct.enqueue("default", [new_job()])[0].accepted
    waiting = asyncio.create_task(broker.waits.for_cancel("w1", 10))
    target = system.other_than(system.primary_of(P))
    await asyncio.to_thread(system.move, P, target)
    # A wait that the move interrupts is refused; its loop waits again.
    with suppress(ServerUnreachable):
        assert await waiting is None
    # A node that has not learned of the end of the move still refuses.
    assert await aeventually(lambda: asyncio.to_thread(sent_directly, direct))
    # Refused there, and sent again here: no caller notices.
    assert (await broker.jobs.enqueue([new_job()]))[0].accepted
    assert target.admin.xlen(f"{P}stream:t") == 3


async def test_a_primary_that_is_killed_holds_up_its_own_shard_alone(
    system: ClusterSystem, connection: Connection, direct: SyncEnqueuer
) -> None:
    broker = await edges(connection)
    old = system.primary_of(P)
    other = next(q for q in map(str, range(99)) if system.primary_of(QueueKeys(q).prefix) is not old)
    await QueueBroker(connection, other).declarations.declare([TaskDefinition(name="o", queue=other)], [])
    written = await asyncio.to_thread(direct.enqueue, "default", [new_job()])
    assert written[0].accepted
    old.admin.wait(1, 30_000)
    old.kill()
    job = NewJob(id=fresh_id(), task="o", args="[[],{}]")
    assert direct.enqueue(other, [job])[0].accepted
    with pytest.raises(ServerUnreachable):
        direct.enqueue("default", [new_job()])
    assert await aeventually(lambda: _accepted(broker))
    assert direct.enqueue("default", [new_job()])[0].accepted
    old.start()
    await asyncio.to_thread(system.wait_until_ready)
    assert system.primary_of(P) is not old
    assert await _accepted(broker)


async def _accepted(broker: QueueBroker) -> Any:
    try:
        return (await broker.jobs.enqueue([new_job()]))[0].accepted
    except InfinitasError:
        return None


@pytest.fixture
def proxy_port(servers: Urls) -> Iterator[int]:
    proxy = Proxy(servers.redis.removeprefix("unix://"))
    yield proxy.port
    proxy.close()
