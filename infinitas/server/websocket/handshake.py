"""How a worker connects: it identifies itself, is authorized, and resumes or begins a session."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.websockets import WebSocket

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken
from infinitas.core.codec import to_ms
from infinitas.core.errors import BadFrame, Forbidden, WorkerGone
from infinitas.server.audit_trail import note_refusal
from infinitas.server.auth import authenticate, refuse_other_sites
from infinitas.server.websocket.declared_tasks import changes_of, record_changes
from infinitas.server.websocket.socket import Closed, Socket
from infinitas.server.websocket.socket_runner import ACCEPT_WITHIN_S, Key
from infinitas.server.websocket.worker_registry import WorkerRegistry
from infinitas.tasks.task import AnyTask
from infinitas.wire import close_codes, frames, messages
from infinitas.worker.heartbeat import HEARTBEATS_PER_LEASE
from infinitas.worker.registration import Place
from infinitas.worker.transport.interface import Transport

IDENTIFY_WITHIN_S = 10.0
AT_ONCE = 2
"""Workers that are admitted at once: of more, each takes longer, and so do all other requests."""
MOST_UNKNOWN = 10
"""Frames of a later version, before `identify`."""
MakeTasks = Callable[[Sequence[frames.TaskEntry], datetime, AccessToken], Awaitable[dict[str, AnyTask]]]
"""Makes the tasks of an `identify`, by name, as far as the token allows them."""


@dataclass(frozen=True, slots=True)
class Admission:
    """An authorized worker, and the session that it resumes or begins."""

    identify: frames.Identify
    session: str
    resumed: bool
    connection: int
    """Counts the connections of a resumed session; 0 for a new one."""
    place: Place
    tasks: dict[str, AnyTask]
    at: datetime

    @property
    def in_flight(self) -> frozenset[Key]:
        """Attempts that the worker of a resumed session runs."""
        held = self.identify.in_flight if self.resumed else ()
        return frozenset((each.job, each.attempt) for each in held)

    @property
    def queues(self) -> frozenset[str]:
        return frozenset(task.definition.queue for task in self.tasks.values())


class Handshake:
    """The handshake of all workers of one server."""

    def __init__(
        self, registry: WorkerRegistry, client: RedisClient, source: Transport, make_tasks: MakeTasks
    ) -> None:
        self._registry = registry
        self._client = client
        self._source = source
        self._make_tasks = make_tasks
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def admit(self, websocket: WebSocket, identify: frames.Identify, lease_s: float) -> Admission:
        """Authorize a worker, make its tasks and choose its session.

        Raises:
            Unauthorized, Forbidden, ServerUnreachable, and what `remote_tasks` raises.
        """
        async with self._turns:
            return await self._admit(websocket, identify, lease_s)

    async def _admit(self, websocket: WebSocket, identify: frames.Identify, lease_s: float) -> Admission:
        token = await self.authorize(websocket, identify)
        now = await self._client.connection.now()
        tasks = await self._make_tasks(identify.tasks, now, token)
        declared = [entry.name for entry in identify.tasks if entry.options is not None]
        changes = await changes_of(self._client, tasks, declared)
        # A bare id is empty on a server without tokens, as the owner of a worker beside Redis is.
        place = Place(identify.host, identify.pid, identify.version, f"token:{token.id}")
        queues = {task.definition.queue for task in tasks.values()}
        facts, name = self._registry.facts, identify.name
        if identify.session and await self._may_resume(identify.session, place.owner, queues, lease_s):
            connection = await facts.next_connection(identify.session, to_ms(now))
            admission = Admission(identify, identify.session, True, connection, place, tasks, now)
        else:
            if name is None or not await facts.take(name, place.owner, lease_s):
                name = place.fresh_name()
            admission = Admission(identify, name, False, 0, place, tasks, now)
        origin = websocket.client.host if websocket.client else ""
        # Before it is done: what is done is in the audit, whatever fails in between.
        await record_changes(self._client, changes, token, admission.session, origin)
        return admission

    async def authorize(self, websocket: WebSocket, identify: frames.Identify) -> AccessToken:
        """Raises Unauthorized, Forbidden, ServerUnreachable."""
        refuse_other_sites(websocket)
        header = websocket.headers.get("authorization", "")
        token = await authenticate(
            websocket, self._client, f"Bearer {identify.token}" if identify.token else header
        )
        for entry in identify.tasks:
            if not token.may_work_on(entry.name):
                await note_refusal(websocket, self._client, token, "connect_worker", entry.name[:80])
                raise Forbidden(f"The token {token.name!r} is not for the task {entry.name[:80]!r}.")
        return token

    async def _may_resume(self, session: str, owner: str, queues: set[str], lease_s: float) -> bool:
        """Whether the session is alive and was begun with the same token."""
        if await self._registry.facts.owner(session) != owner:
            return False
        stored, _ = await self._registry.facts.served(session)
        try:
            for queue in queues & set(stored):
                await self._source.queue(queue).workers.beat(session, [], lease_s)
        except WorkerGone:
            return False
        return True


async def receive_identify(socket: Socket) -> frames.Identify:
    """The first frame. Raises BadFrame, Closed.

    A worker that is too late may come again: perhaps this server was.
    """
    try:
        async with asyncio.timeout(IDENTIFY_WITHIN_S):
            found = await _first_frames(socket)
    except TimeoutError:
        socket.close(close_codes.SILENT, f"no `identify` within {IDENTIFY_WITHIN_S:g} s")
        raise Closed from None
    if len(found) != 1 or not isinstance(found[0], frames.Identify):
        raise BadFrame("The first frame is `identify`, alone.")
    return found[0]


async def _first_frames(socket: Socket) -> Sequence[frames.Frame]:
    for _ in range(MOST_UNKNOWN):
        if found := frames.parse(await socket.receive()):
            return found
    return []


def hello(lease_s: float) -> messages.Hello:
    """The server's first message."""
    return messages.Hello(
        t="hello",
        protocol=frames.PROTOCOL,
        lease_ms=round(lease_s * 1000),
        beat_ms=round(lease_s * 1000 / HEARTBEATS_PER_LEASE),
        accept_ms=round(ACCEPT_WITHIN_S * 1000),
        max_frame=frames.MAX_FRAME_BYTES,
    )


def welcome(admission: Admission, held: Collection[Key]) -> messages.Welcome:
    """The answer to `identify`, with a verdict for each job in flight: is it in `held`?"""
    verdicts = [
        messages.Verdict(
            job=each.job,
            attempt=each.attempt,
            verdict="keep" if (each.job, each.attempt) in held else "lost",
        )
        for each in admission.identify.in_flight
    ]
    return messages.Welcome(t="welcome", session=admission.session, now=to_ms(admission.at), resumed=verdicts)
