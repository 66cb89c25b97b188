"""A server in a thread of the test's own process."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.runtime.signals import StopSignal
from infinitas.server.server import Binding, run_server
from tests.own_redis import free_port
from tests.support import aeventually

LEASE_S = 1.5


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
        serving = asyncio.create_task(
            run_server(self._settings, Binding(port=self._port, always_open=True), self._stop)
        )
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
