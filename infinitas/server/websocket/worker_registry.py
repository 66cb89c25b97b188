"""Which connection of this server serves which worker session, and cancel notices for those sessions."""

import asyncio
from functools import partial
from typing import Protocol

from infinitas.broker.connection import Connection
from infinitas.broker.queue import QueueBroker
from infinitas.broker.workers import WorkerFacts
from infinitas.runtime.loop import Loop, cancel_all
from infinitas.server.websocket.stall_guard import StallGuard

WAIT_FOR_CANCEL_S = 1.0


class SessionConnection(Protocol):
    """A worker's connection, as the registry uses it."""

    @property
    def queues(self) -> frozenset[str]:
        """Queues of the tasks that the worker serves."""

    async def give_up(self) -> None:
        """Close, because another connection takes the session over."""

    def notify_cancel(self, queue: str, job: str) -> None:
        """A job of this session was cancelled."""


class WorkerRegistry:
    """Made once per server, inside its event loop."""

    def __init__(self, connection: Connection, guard: StallGuard) -> None:
        self._connection = connection
        self._guard = guard
        self._connections: dict[str, SessionConnection] = {}
        """By session."""
        self._sessions: dict[SessionConnection, str] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        """By queue: waits for cancel notices."""

    async def take(self, session: str, connection: SessionConnection) -> None:
        """Assign a session to a connection. Another connection that has it is closed first."""
        other = self._connections.pop(session, None)
        if other is not None and other is not connection:
            await other.give_up()
        self._connections[session] = connection
        self._sessions[connection] = session
        self._guard.add(session, connection.queues)
        for queue in connection.queues:
            if queue not in self._watches:
                watch = Loop(f"cancels {queue}", partial(self._pass_on_cancel, queue))
                self._watches[queue] = asyncio.create_task(watch.run())

    def drop(self, connection: SessionConnection) -> None:
        """The connection serves no session any more."""
        session = self._sessions.pop(connection, None)
        if session is not None and self._connections.get(session) is connection:
            del self._connections[session]
            self._guard.remove(session)

    @property
    def facts(self) -> WorkerFacts:
        """Owner, name and place of each session, for all servers."""
        return WorkerFacts(self._connection)

    async def close(self) -> None:
        await cancel_all(self._watches.values())
        await self._guard.close()

    async def _pass_on_cancel(self, queue: str) -> None:
        sessions = [session for session, each in self._connections.items() if queue in each.queues]
        if not sessions:
            await asyncio.sleep(WAIT_FOR_CANCEL_S)
            return
        broker = QueueBroker(self._connection, queue)
        if notice := await broker.waits.for_cancels(sessions, WAIT_FOR_CANCEL_S):
            session, job = notice
            if session in self._connections:
                self._connections[session].notify_cancel(queue, job)
