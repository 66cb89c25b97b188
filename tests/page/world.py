"""A server with jobs behind it: scheduler, worker and archiver run in a thread of the test process."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import httpx

from infinitas import Infinitas
from infinitas.runtime.signals import StopSignal
from infinitas.server.server import Binding, run_server
from tests.own_redis import free_port
from tests.page.shop import app
from tests.server_fixtures import Server
from tests.support import PATIENCE_S, eventually, running


class World:
    """`server` and the parts of the system that fill it; `http` calls it."""

    def __init__(self, server: Server, redis_url: str) -> None:
        self.server = server
        self.redis_url = redis_url
        self.http = httpx.Client(base_url=f"{server.address}/api/v1", timeout=PATIENCE_S)
        self.app: Infinitas = app.configure(redis_url=redis_url, postgres_url=server.postgres_url)
        self._loop = asyncio.new_event_loop()
        self._parts = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, *, worker: bool = True) -> None:
        """Run the parts until `stop`; without a worker, jobs wait."""
        parts = running(self.app, worker=worker, scheduler=True, archiver=True)
        asyncio.run_coroutine_threadsafe(self._parts.enter_async_context(parts), self._loop).result(
            PATIENCE_S
        )
        eventually(lambda: self.http.get("tasks").json()["items"])

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._parts.aclose(), self._loop).result(PATIENCE_S)

    @contextmanager
    def another_server(self, **settings: object) -> Iterator[str]:
        """A second server, in the loop of the parts; yields its address."""
        port, stop = free_port(), StopSignal()
        chosen = self.app.settings.model_copy(update=settings)
        serving = asyncio.run_coroutine_threadsafe(
            run_server(chosen, Binding(port=port, rate=0), stop), self._loop
        )
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(address))
        yield address
        self._loop.call_soon_threadsafe(stop.request)
        serving.result(PATIENCE_S)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.http.close()
        self.app.close()

    def send(self, task: str, *args: object) -> str:
        """Send a job and return its id."""
        return str(self.app.find(task).send(*args).id)

    def ended(self, task: str, *args: object) -> str:
        """Send a job, wait until it has ended, and return its id."""
        id = self.send(task, *args)
        eventually(lambda: self.job(id)["ended"])
        return id

    def job(self, id: str) -> dict[str, object]:
        found: dict[str, object] = self.http.get(f"jobs/{id}").json()
        return found

    def task(self, name: str) -> dict[str, object]:
        return next(task for task in self.http.get("tasks").json()["items"] if task["name"] == name)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/livez").is_success
    except httpx.TransportError:
        return False
