"""Inside another program: everything runs, signal handlers stay, several at once are safe."""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from infinitas import Infinitas, Job, Plugin, ServerUnreachable, every
from infinitas.app import embed
from infinitas.broker.connection import Connection
from infinitas.broker.messages import ClaimRequest
from infinitas.broker.queue import QueueBroker
from infinitas.devservers.servers import Urls
from tests.support import aeventually, finished, running

P = "{infinitas:default}:"


async def test_three_at_once_fire_each_slot_once(make_app: Callable[..., Infinitas], redis: Redis) -> None:
    """As under three web workers."""
    ran: Counter[str] = Counter()

    def web_worker() -> Infinitas:
        app = make_app(archive=True)

        @app.task(schedule=every(milliseconds=100))
        async def tick(job: Job) -> None:
            ran[job.id] += 1
            logging.getLogger("shop").warning("tick")

        return app

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGURG)
    before = [signal.getsignal(number) for number in numbers]
    async with web_worker().embedded(), web_worker().embedded(), web_worker().embedded():
        assert [signal.getsignal(number) for number in numbers] == before

        async def twenty() -> bool:
            return len(ran) >= 20

        await aeventually(twenty)
        job = await make_app().await_for_end(next(iter(ran)), 10)
        assert [line.text for line in job.log] == ["tick"], "each line once"
    assert set(ran.values()) == {1}
    assert redis.zcard(f"{P}beats") == 0


async def test_a_plugin_is_called_for_a_lost_attempt(
    make_app: Callable[..., Infinitas], servers: Urls, redis: Redis
) -> None:
    lost: list[tuple[str, int]] = []

    class Watch(Plugin):
        def on_lost(self, job: Job) -> None:
            lost.append((job.id, job.attempt))

    app = make_app(plugins=[Watch()])

    @app.task
    def survivor() -> None: ...

    handle = await survivor.asend()
    connection = Connection(servers.redis, "test")
    broker = QueueBroker(connection, "default")
    await broker.workers.join("victim", ["survivor"], 60)
    await broker.jobs.claim(ClaimRequest("victim", [["survivor"]], 1, 60))
    await broker.workers.rescue_all("victim", 1, 60)
    await connection.close()
    async with running(app):
        await finished(app, handle)
    assert lost == [(handle.id, 2)]


async def test_a_part_that_dies_is_logged_and_the_others_go_on_and_stop(
    make_app: Callable[..., Infinitas],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = asyncio.Event()

    async def die(*arguments: object) -> None:
        await outage.wait()
        raise ServerUnreachable("Postgres is gone.")

    monkeypatch.setattr(embed, "run_archiver", die)
    app = make_app(archive=True)

    @app.task
    async def work() -> int:
        return 1

    async with app.embedded():
        outage.set()
        assert await (await work.asend()).result(60) == 1
        assert "archiver of this program has ended and does nothing more: Postgres is gone." in caplog.text
    assert redis.zcard(f"{P}beats") == 0


async def test_a_cancelled_program_leaves_in_order(app: Infinitas, redis: Redis) -> None:
    started = asyncio.Event()

    @app.task
    async def work() -> None:
        started.set()

    async def program() -> None:
        async with app.embedded():
            await work.asend()
            await asyncio.Event().wait()

    running_program = asyncio.create_task(program())
    await asyncio.wait_for(started.wait(), 60)
    running_program.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running_program
    assert redis.zcard(f"{P}beats") == 0
    assert len(asyncio.all_tasks()) == 1


async def test_in_the_lifespan_of_starlette(app: Infinitas, redis: Redis) -> None:
    """Its requests send and wait; the parts stop with the lifespan, and start again with the next one."""

    @app.task
    async def double(n: int) -> int:
        return 2 * n

    @asynccontextmanager
    async def lifespan(program: FastAPI) -> AsyncIterator[None]:
        async with app.embedded():
            yield

    program = FastAPI(lifespan=lifespan)

    @program.get("/async/{n}")
    async def from_async_code(n: int) -> int:
        return await (await double.asend(n)).result(60)

    @program.get("/sync/{n}")
    def from_sync_code(n: int) -> int:
        return double.send(n).get(60)

    for _ in range(2):
        async with program.router.lifespan_context(program):
            transport = httpx.ASGITransport(program)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
                assert [(await http.get(f"/{kind}/4")).json() for kind in ("async", "sync")] == [8, 8]
        assert redis.zcard(f"{P}beats") == 0
