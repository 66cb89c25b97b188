"""A server's own stall is nobody's death: connected workers keep their jobs."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from infinitas import Infinitas

from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.runtime.signals import StopSignal
from infinitas.server.server import Binding, run_server
from tests.own_redis import free_port
from tests.server.calls import of
from tests.server.peer import Peer
from tests.support import aeventually, running

LEASE_S = 1.5
MakeApp = Callable[..., Infinitas]
STALL_S = 2.5 * LEASE_S


class ThreadServer:
    """A server in a thread of this process, whose event loop a test can hold up."""

    def __init__(self, redis_url: str) -> None:
        self._settings = Settings(redis_url=redis_url, lease=LEASE_S)
        self._ready = threading.Event()
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        self._ready.wait()

    def stall(self, seconds: float) -> None:
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.request)
        self._thread.join()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), StopSignal()
        serving = asyncio.create_task(run_server(self._settings, Binding(port=self._port), self._stop))
        await aeventually(self._listens)
        self._ready.set()
        await serving

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True


@pytest.fixture
def thread_server(servers: Urls, redis: object) -> Iterator[ThreadServer]:
    server = ThreadServer(servers.redis)
    yield server
    server.close()


async def test_a_worker_keeps_its_job_while_its_server_stands_still(
    make_app: MakeApp, thread_server: ThreadServer
) -> None:
    app = make_app(lease=LEASE_S)
    peer = await asyncio.to_thread(Peer, thread_server.address)
    beating = asyncio.create_task(beat(peer))
    await asyncio.to_thread(peer.identify, "held")
    id = (await app.task(held).asend()).id
    got = await asyncio.to_thread(peer.expect, "job", job=id)
    peer.send("accept", **of(got))
    async with running(app, worker=False, scheduler=True):
        # The scheduler must have seen the worker before.
        await asyncio.sleep(LEASE_S / 2)
        thread_server.stall(STALL_S)
        await asyncio.sleep(STALL_S)
        assert (await app.afetch_job(id)).attempt == 1
        peer.send("done", id="d", **of(got))
        await asyncio.to_thread(peer.expect, "ack", re="d")
    job = await app.afetch_job(id)
    assert (job.state, job.attempt) == ("succeeded", 1)
    beating.cancel()
    peer.drop()


async def test_a_worker_that_falls_silent_after_a_stall_is_rescued(
    make_app: MakeApp, thread_server: ThreadServer
) -> None:
    """The stall forgives one lease, and not more."""
    app = make_app(lease=LEASE_S)
    peer = await asyncio.to_thread(Peer, thread_server.address)
    await asyncio.to_thread(peer.identify, "held")
    id = (await app.task(held).asend()).id
    got = await asyncio.to_thread(peer.expect, "job", job=id)
    peer.send("accept", **of(got))
    thread_server.stall(2 * LEASE_S)
    async with running(app, worker=False, scheduler=True):
        await aeventually(lambda: lost(app, id))
    peer.drop()


async def held() -> None: ...


async def beat(peer: Peer) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 8)
        peer.send("beat")


async def lost(app: Infinitas, id: str) -> bool:
    return (await app.afetch_job(id)).state == "queued"
