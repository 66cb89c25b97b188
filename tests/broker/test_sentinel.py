"""`redis+sentinel://`: the primary is found, a change of it is followed, a replica is left."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from infinitas.broker import sentinel
from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.broker.sentinel import Sentinels
from infinitas.broker.sync_enqueue import SyncEnqueuer
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.urls import checked_redis_url
from tests.own_redis import free_port
from tests.proxy import Proxy
from tests.sentinels import Node, SentinelSystem, sentinel_system
from tests.support import aeventually, eventually

PORT = ("CONFIG", "GET", "port")
"""Names the server that answers."""


@pytest.fixture(scope="module")
def system() -> Iterator[SentinelSystem]:
    with sentinel_system() as system:
        yield system


@pytest.fixture
def url(system: SentinelSystem) -> str:
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


async def port_of(connection: Connection) -> int:
    try:
        return int((await connection.raw_command(*PORT))[1])
    except ServerUnreachable:
        return 0


def direct_port_of(direct: SyncEnqueuer) -> int:
    try:
        return int(direct.command(*PORT)[1])
    except ServerUnreachable:
        return 0


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("redis+sentinel://h,i:1/main", "redis:///?"),
        ("valkeys+sentinel://u:p%40@h/main/3?ssl_cert_reqs=none", "rediss://u:p%40@/3?ssl_cert_reqs=none"),
        ("redis+sentinel://[::1],[::2]:1/main?sentinel_password=x&db=2", "redis:///?db=2"),
        ("valkey://h:1/2", "redis://h:1/2"),
        ("valkeys://h", "rediss://h"),
    ],
)
def test_the_options_of_servers_and_of_sentinels_are_kept_apart(url: str, server: str) -> None:
    assert Sentinels.of(checked_redis_url(url))[1] == server


@pytest.mark.parametrize(
    "wrong",
    [
        "redis+sentinel://h:26379",
        "redis+sentinel://h,/main",
        "redis+sentinel:///main",
        "redis+sentinel://h/main/x",
        "redis+sentinel://h:0/main",
        "redis+sentinel://h/main?sentinel_port=1",
        "redis+sentinel://h/main?ssl_cert_reqs=none",
        "redis://h?sentinel_password=x",
    ],
)
def test_a_url_that_names_no_service_or_an_unknown_option_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"service|options"):
        checked_redis_url(wrong)


async def test_sentinels_that_are_away_are_passed_over(system: SentinelSystem, url: str) -> None:
    away = url.replace("@127.0.0.1", f"@127.0.0.1:{free_port()},127.0.0.1")
    connection, direct = Connection(away, "test"), SyncEnqueuer(away)
    await connection.check()
    assert await port_of(connection) == direct_port_of(direct) == system.primary.port
    direct.close()
    await connection.close()


async def test_a_search_that_finds_nothing_names_the_cause(system: SentinelSystem, url: str) -> None:
    for wrong, error, cause in (
        (url.replace("mymaster", "other"), ConfigError, "'other', which its Sentinels do not know"),
        (url.partition("?")[0], ServerUnreachable, "option sentinel_password"),
        (f"redis+sentinel://127.0.0.1:{free_port()}/main", ServerUnreachable, "No Sentinel .* 111"),
    ):
        connection, direct = Connection(wrong, "test"), SyncEnqueuer(wrong)
        with pytest.raises(error, match=cause):
            await connection.check()
        with pytest.raises(error, match=cause):
            direct.command("PING")
        direct.close()
        await connection.close()


async def test_a_change_of_the_primary_is_followed_while_the_old_one_still_takes_writes(
    system: SentinelSystem, connection: Connection, direct: SyncEnqueuer
) -> None:
    old = system.primary
    broker = QueueBroker(connection, "default")
    await broker.declarations.declare([TaskDefinition(name="t")], [])
    assert direct_port_of(direct) == await port_of(connection) == old.port
    # As if its demotion took long: after SENTINEL FAILOVER it is a primary for eight seconds and more.
    old.admin.execute_command("ACL", "SETUSER", "default", "-slaveof", "-replicaof")
    waiting = asyncio.create_task(broker.waits.for_bell(["t"]))
    await aeventually(lambda: _blocked(old))
    try:
        await asyncio.to_thread(system.fail_over)
        with pytest.raises(ServerUnreachable):
            await waiting
        # Without an event loop, each second's first command asks the Sentinels.
        eventually(lambda: direct_port_of(direct) == system.primary.port)
        assert await port_of(connection) == system.primary.port != old.port
        assert old.role() == "master"
    finally:
        old.admin.execute_command("ACL", "SETUSER", "default", "+@all")


async def test_a_primary_that_is_killed_is_left_and_not_returned_to(
    system: SentinelSystem, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.wait_until_ready()
    old, new = system.primary, system.replica
    proxy = Proxy(system.sentinel_ports[0])
    monkeypatch.setattr(sentinel, "CHECK_EVERY_S", 600.0)
    connection, direct = _through(proxy, url)
    assert direct_port_of(direct) == await port_of(connection) == old.port
    # No message of a Sentinel arrives, as if it was on the primary's host.
    proxy.fall_silent()
    system.kill_primary()
    await aeventually(lambda: _leads_to(connection, new.port))
    assert direct_port_of(direct) == new.port
    # It comes back as the primary that it was, until Sentinels demote it.
    old.start()
    assert direct_port_of(direct) == await port_of(connection) == new.port
    direct.close()
    await connection.close()
    proxy.close()


async def test_a_server_that_a_sentinel_names_wrongly_is_not_used(system: SentinelSystem, url: str) -> None:
    system.wait_until_ready()
    replica = system.replica
    for command in (
        ("MONITOR", "stale", "127.0.0.1", replica.port, 3),
        ("SET", "stale", "auth-pass", "server-secret"),
    ):
        system.admins[0].execute_command("SENTINEL", *command)
    stale = url.replace("mymaster", "stale")
    connection, direct = Connection(stale, "test"), SyncEnqueuer(stale)
    try:
        with pytest.raises(ServerUnreachable, match="read-only replica"):
            await connection.command("ping")
        with pytest.raises(ServerUnreachable, match="read-only replica"):
            direct.command("PING")
    finally:
        system.admins[0].execute_command("SENTINEL", "REMOVE", "stale")
        direct.close()
        await connection.close()


async def test_a_primary_works_on_while_no_sentinel_answers(system: SentinelSystem, url: str) -> None:
    system.wait_until_ready()
    primary = system.primary
    proxy = Proxy(system.sentinel_ports[0])
    connection, direct = _through(proxy, url)
    assert direct_port_of(direct) == await port_of(connection) == primary.port
    proxy.close()
    # An end of all connections puts the primary in doubt.
    primary.admin.client_kill_filter(_type="normal", skipme=True)
    await aeventually(lambda: _leads_to(connection, primary.port))
    assert direct_port_of(direct) == primary.port
    direct.close()
    await connection.close()


def _through(proxy: Proxy, url: str) -> tuple[Connection, SyncEnqueuer]:
    alone = url.replace(url.rpartition("@")[2].partition("/")[0], f"127.0.0.1:{proxy.port}")
    return Connection(alone, "test"), SyncEnqueuer(alone)


async def _blocked(node: Node) -> bool:
    return bool(node.admin.info("clients")["blocked_clients"])


async def _leads_to(connection: Connection, port: int) -> bool:
    return await port_of(connection) == port
