"""A server with jobs behind it: scheduler, worker and archiver run in a thread of the test process."""

import asyncio
import threading
from contextlib import AsyncExitStack

import httpx

from infinitas import Infinitas
from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.core.task_definition import TaskDefinition
from tests.page.shop import app
from tests.server_fixtures import Server
from tests.support import PATIENCE_S, eventually, running


class World:
    """`server` and the parts of the system that fill it; `http` calls it."""

    def __init__(self, server: Server, redis_url: str) -> None:
        self.server = server
        self._redis_url = redis_url
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

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.http.close()
        self.app.close()

    def declare(self, names: list[str]) -> None:
        """Declare tasks without a worker."""
        asyncio.run_coroutine_threadsafe(self._declare(names), self._loop).result(PATIENCE_S)

    async def _declare(self, names: list[str]) -> None:
        connection = Connection(self._redis_url, "test")
        broker = QueueBroker(connection, "default")
        await broker.declarations.declare([TaskDefinition(name=name) for name in names], [])
        await connection.close()

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
