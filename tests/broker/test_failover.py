"""A failover that only new connections follow, and senders in many threads."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from infinitas import Infinitas, ServerUnreachable
from infinitas.core.errors import InfinitasError
from tests.own_redis import OwnRedis, own_redis
from tests.proxy import Proxy
from tests.support import aeventually, eventually, running


@pytest.fixture
def pair() -> Iterator[tuple[OwnRedis, OwnRedis]]:
    with own_redis() as first, own_redis() as second:
        yield first, second


def fail_over(proxy: Proxy, old: OwnRedis, new: OwnRedis) -> None:
    """The replica becomes the primary, the primary its replica; only new connections lead to the new one."""
    new.admin.replicaof("no", "one")
    proxy.target = new.port
    old.admin.replicaof("127.0.0.1", new.port)


def follow(replica: OwnRedis, primary: OwnRedis) -> None:
    replica.admin.replicaof("127.0.0.1", primary.port)
    eventually(lambda: replica.admin.info("replication")["master_link_status"] == "up")
    primary.admin.wait(1, 5000)


async def test_sender_worker_and_scheduler_move_to_the_new_primary(pair: tuple[OwnRedis, OwnRedis]) -> None:
    first, second = pair
    proxy = Proxy(first.port)
    app = Infinitas(redis_url=f"redis://127.0.0.1:{proxy.port}").configure(lease=2)
    ran: list[int] = []

    @app.task
    async def note(number: int) -> None:
        ran.append(number)

    async def sent(number: int, *, sync: bool) -> bool:
        try:
            await (asyncio.to_thread(note.send, number) if sync else note.asend(number))
        except ServerUnreachable:
            return False
        return True

    async def has_run(*numbers: int) -> None:
        async def all_ran() -> bool:
            return set(numbers) <= set(ran)

        await aeventually(all_ran)

    follow(second, first)
    async with running(app, scheduler=True):
        assert await sent(1, sync=True)
        assert await sent(2, sync=False)
        await has_run(1, 2)
        await note.using(delay=1).asend(5)
        first.admin.wait(1, 5000)
        fail_over(proxy, first, second)
        await aeventually(lambda: sent(3, sync=True))
        await aeventually(lambda: sent(4, sync=False))
        await has_run(3, 4, 5)
        eventually(lambda: first.admin.info("replication")["master_link_status"] == "up")
    app.close()
    proxy.close()


def test_threads_share_a_bounded_number_of_connections(app: Infinitas, redis: object) -> None:
    """500 at once, and as many that come and go one after another as a server has requests in a while."""

    @app.task
    def note() -> None: ...

    failed: list[InfinitasError] = []

    def send() -> None:
        try:
            note.send()
        except InfinitasError as error:
            failed.append(error)

    note.send()
    together = [threading.Thread(target=send) for _ in range(500)]
    for thread in together:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in together):
        most = max(most, clients(redis))
    assert failed == []
    assert most <= 70
    for _ in range(2_000):
        thread = threading.Thread(target=send)
        thread.start()
        thread.join()
    assert failed == []
    assert clients(redis) <= 70


def clients(redis: object) -> int:
    return sum("infinitas:client" in each["name"] for each in redis.client_list())  # type: ignore[attr-defined]
