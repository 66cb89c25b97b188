"""All remote workers of this server: their sessions, and who calls for them."""

import asyncio
from collections import Counter
from functools import partial

from starlette.websockets import WebSocket

from infinitas.app.app import Infinitas
from infinitas.broker.queue import QueueBroker
from infinitas.broker.workers import WorkerFacts
from infinitas.client.redis_client import Client
from infinitas.runtime.config import Settings
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.server.websocket.event_broadcaster import Hub
from infinitas.server.websocket.page_subscription import Feed
from infinitas.server.websocket.worker_connection import WorkerSocket
from infinitas.worker.transport.interface import RedisSource

CALLS_FOR_S = 1.0


class Gateway:
    """Made once per server, inside its event loop."""

    def __init__(self, app: Infinitas, client: Client, settings: Settings) -> None:
        self.app = app
        self.client = client
        # A remote worker says itself when it gives up what it holds.
        self.settings = settings.model_copy(update={"shutdown_timeout": 86_400.0})
        self.source = RedisSource(client.connection)
        self._sockets: dict[str, WorkerSocket] = {}
        """By session."""
        self._sessions: dict[WorkerSocket, str] = {}
        self._open: set[WorkerSocket] = set()
        self._hub = Hub(client.connection)
        self._feeds: set[Feed] = set()
        self._calls: dict[str, asyncio.Task[None]] = {}
        """By queue, who listens for cancelled jobs."""

    async def serve(self, socket: WebSocket) -> None:
        """One connection of a worker, from its handshake to its end."""
        worker = WorkerSocket(self, socket)
        self._open.add(worker)
        try:
            await worker.serve()
        finally:
            self.drop(worker)
            self._open.discard(worker)

    async def serve_page(self, socket: WebSocket) -> None:
        """One connection of a page that listens."""
        feed = Feed(self._hub, self.client, socket)
        self._feeds.add(feed)
        try:
            await feed.serve()
        finally:
            self._feeds.discard(feed)

    async def take(self, session: str, worker: WorkerSocket) -> None:
        """`worker` goes on with a session; whoever had it here is cut off first."""
        other = self._sockets.pop(session, None)
        if other is not None and other is not worker:
            await other.give_up()
        self._sockets[session] = worker
        self._sessions[worker] = session
        for queue in worker.queues:
            if queue not in self._calls:
                listening = Loop(f"calls {queue}", partial(self._listen, queue))
                self._calls[queue] = asyncio.create_task(listening.run())

    def drop(self, worker: WorkerSocket) -> None:
        """This connection has no session any more."""
        session = self._sessions.pop(worker, None)
        if session is not None and self._sockets.get(session) is worker:
            del self._sockets[session]

    async def close(self) -> None:
        """Send everybody away; their jobs stay theirs, and go on at the next server."""
        for feed in list(self._feeds):
            feed.send_away()
        for worker in list(self._open):
            worker.send_away()
        if self._open:
            await asyncio.wait([asyncio.ensure_future(w.over.wait()) for w in self._open], timeout=5)
        await cancel_all(self._calls.values())
        await self._hub.close()

    async def owner(self, session: str) -> str | None:
        """Id of the token that a session was begun with; None if there is no such session."""
        return await WorkerFacts(self.client.connection).owner(session)

    @property
    def counts(self) -> Counter[str]:
        """Open connections: `worker`, `new` (has not said who it is), `page`."""
        known = Counter("worker" if worker.queues else "new" for worker in self._open)
        return known + Counter(page=len(self._feeds))

    async def _listen(self, queue: str) -> None:
        workers = [session for session, worker in self._sockets.items() if queue in worker.queues]
        if not workers:
            await asyncio.sleep(CALLS_FOR_S)
            return
        if called := await QueueBroker(self.client.connection, queue).waits.for_cancels(workers, CALLS_FOR_S):
            session, job = called
            if session in self._sockets:
                self._sockets[session].call(queue, job)
