"""All WebSocket connections of one server: workers and pages."""

import asyncio
from collections import Counter
from functools import partial

from starlette.websockets import WebSocket

from infinitas.broker.connection import Connection
from infinitas.client.redis_client import RedisClient
from infinitas.runtime.config import Settings
from infinitas.server.rate_limit import RateLimit
from infinitas.server.websocket.event_broadcaster import EventBroadcaster
from infinitas.server.websocket.handshake import Handshake
from infinitas.server.websocket.page_subscription import PageSubscription
from infinitas.server.websocket.remote_session import SessionContext
from infinitas.server.websocket.remote_tasks import remote_tasks
from infinitas.server.websocket.stall_guard import StallGuard
from infinitas.server.websocket.worker_connection import WorkerConnection
from infinitas.server.websocket.worker_registry import WorkerRegistry
from infinitas.tasks.registry import Registry
from infinitas.worker.transport.redis import RedisTransport

NO_DEADLINE_S = 86_400.0
CLOSE_WITHIN_S = 5.0


class Gateway:
    """Made once per server, inside its event loop.

    Args:
        rate: frames a second of each token's connections, beyond what they may send anyway; 0: no limit.
    """

    def __init__(
        self, registry: Registry, client: RedisClient, settings: Settings, rate: float = 0.0
    ) -> None:
        source = RedisTransport(client.connection)
        self._client = client
        self._rate = RateLimit(rate)
        connection = client.connection
        guard = StallGuard(lambda: Connection(connection.url, "stall"), settings.lease)
        self._registry = WorkerRegistry(connection, guard)
        self._handshake = Handshake(self._registry, client, source, partial(remote_tasks, registry, client))
        # The remote worker has the deadline of a shutdown, and sends `release` for what it gives up.
        endless = settings.model_copy(update={"shutdown_timeout": NO_DEADLINE_S})
        self._context = SessionContext(source, client.connection, endless, registry.plugins)
        self._workers: set[WorkerConnection] = set()
        self._broadcaster = EventBroadcaster(client.connection)
        self._pages: set[PageSubscription] = set()

    async def serve_worker(self, websocket: WebSocket) -> None:
        """Serve one connection of a worker, from its handshake to its end."""
        worker = WorkerConnection(websocket, self._handshake, self._registry, self._context, self._rate)
        self._workers.add(worker)
        try:
            await worker.serve()
        finally:
            self._registry.drop(worker)
            self._workers.discard(worker)

    async def serve_page(self, websocket: WebSocket) -> None:
        """Serve one connection of a page."""
        page = PageSubscription(self._broadcaster, self._client, websocket, self._rate)
        self._pages.add(page)
        try:
            await page.serve()
        finally:
            self._pages.discard(page)

    async def close(self) -> None:
        """Close all connections. Workers keep their jobs, and resume their sessions at another server."""
        for page in list(self._pages):
            page.disconnect()
        for worker in list(self._workers):
            worker.disconnect()
        if self._workers:
            ends = [asyncio.ensure_future(worker.over.wait()) for worker in self._workers]
            await asyncio.wait(ends, timeout=CLOSE_WITHIN_S)
        await self._registry.close()
        await self._broadcaster.close()

    @property
    def counts(self) -> Counter[str]:
        """Open connections: `worker`, `new` (has not identified itself yet), `page`."""
        workers = Counter("worker" if worker.queues else "new" for worker in self._workers)
        return workers + Counter(page=len(self._pages))
