"""Inside another program: everything runs, signal handlers stay, several at once are safe."""

import logging
import signal
from collections import Counter
from collections.abc import Callable

from redis import Redis

from infinitas import Infinitas, Job, Plugin, every
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
