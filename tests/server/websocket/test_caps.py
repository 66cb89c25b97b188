"""Each bound on what a connection may cost: what the server reads of a socket in this process is counted."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.websockets import WebSocket

from infinitas.core.errors import BadFrame
from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings
from infinitas.server.server import serving
from infinitas.server.websocket.frame_budget import BURST, BYTES_A_FRAME
from infinitas.server.websocket.job_frames import MOST_ASKED
from infinitas.server.websocket.socket import BATCH_BYTES, MOST_WAITING_BYTES, Socket
from infinitas.wire import frames
from infinitas.wire.close_codes import TOO_SLOW
from infinitas.wire.feed import SUBSCRIBE
from tests.support import aeventually

FEW = 20
MANY = 3_000
IDENTIFY = {"t": "identify", "tasks": [{"name": "t", "options": {}}], "capacity": 1}


class Client:
    """The other side of an accepted WebSocket: `incoming` is what it sends, `sent` what the server does."""

    def __init__(self, api: FastAPI, path: str) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.read = -1
        """Messages that the server has taken, beside the first."""
        self.sent = ""
        self.closed: int | None = None
        self.takes = asyncio.Event()
        """Set: it reads what the server sends."""
        self.takes.set()
        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
            "app": api,
        }
        self.websocket = WebSocket(scope, self._receive, self._send)
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.read -= 1

    def write(self, frame: object, count: int = 1) -> None:
        text = orjson.dumps(frame).decode()
        for _ in range(count):
            self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    @property
    def is_welcome(self) -> bool:
        return "subscribed" in self.sent or "welcome" in self.sent

    async def _receive(self) -> dict[str, Any]:
        found = await self.incoming.get()
        self.read += 1
        # As uvicorn does, which parses one slice after the other.
        await asyncio.sleep(0)
        return found

    async def _send(self, message: Any) -> None:
        await self.takes.wait()
        self.sent += message.get("text") or ""
        if message["type"] == "websocket.close":
            self.closed = message["code"]


Serve = Callable[[FastAPI], Callable[[WebSocket], Awaitable[None]]]


@asynccontextmanager
async def connected(
    servers: Urls, first: object, rate: float, *, page: bool = False
) -> AsyncIterator[tuple[FastAPI, Client]]:
    """A server, and a worker or a page that it has welcomed."""
    async with serving(Settings(redis_url=servers.redis), local=True, rate=rate, always_open=True) as api:
        client = Client(api, "/api/v1/feed" if page else "/api/v1/worker")
        gateway = api.state.gateway
        serve = gateway.serve_page if page else gateway.serve_worker
        serving_it = asyncio.create_task(serve(client.websocket))
        client.write(first)
        await aeventually(lambda: asyncio.sleep(0, client.is_welcome))
        yield api, client
        client.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})
        serving_it.cancel()
        with suppress(asyncio.CancelledError):
            await serving_it


async def read_of(client: Client) -> int:
    """How many messages the server has taken once it takes no more for many turns of the event loop."""
    while True:
        before = client.read
        for _ in range(200):
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        if client.read - before <= 1:
            return client.read


@pytest.mark.parametrize(
    ("frame", "most"),
    [
        ({"t": "beat"}, BURST),
        ({"t": "of-the-future"}, BURST),
        ({"t": "capacity", "n": "many"}, FEW),
        ({"t": "of-the-future", "x": "x" * 10 * BYTES_A_FRAME}, BURST / 10),
    ],
    ids=["beats", "frames of the future", "invalid frames", "large frames"],
)
async def test_frames_beyond_the_budget_of_a_worker_are_not_read(
    servers: Urls, redis: object, frame: object, most: float
) -> None:
    async with connected(servers, IDENTIFY, rate=1) as (_, client):
        client.write(frame, MANY)
        assert await read_of(client) < most + FEW


@pytest.mark.parametrize(
    ("frame", "most"),
    [
        ({"t": "subscribe", "topics": []}, BURST),
        ({"t": "subscribe", "topics": [f"task:{n}" for n in range(100)]}, BURST / 10),
        ({"t": "of-the-future"}, BURST),
    ],
    ids=["subscriptions", "topics", "frames of the future"],
)
async def test_frames_beyond_the_budget_of_a_page_are_not_read(
    servers: Urls, redis: object, frame: object, most: float
) -> None:
    async with connected(servers, {"t": "subscribe", "topics": []}, rate=1, page=True) as (_, client):
        client.write(frame, MANY)
        assert await read_of(client) < most + FEW


async def test_no_more_is_read_than_redis_is_asked_for(servers: Urls, redis: object) -> None:
    async with connected(servers, IDENTIFY, rate=0) as (api, client):
        connection = api.state.client.connection
        reply, answers = connection._reply, asyncio.Event()

        async def later(command: Awaitable[Any]) -> Any:
            await answers.wait()
            return await reply(command)

        connection._reply = later
        client.write({"t": "done", "id": "d", "job": "unknown", "attempt": 1}, MANY)
        assert MOST_ASKED < await read_of(client) < MOST_ASKED + FEW
        answers.set()
        await aeventually(lambda: asyncio.sleep(0, client.sent.count("unknown_job") == MANY))


async def test_what_the_other_side_does_not_take_is_bounded(servers: Urls, redis: object) -> None:
    async with serving(Settings(redis_url=servers.redis), local=True, always_open=True) as api:
        client = Client(api, "/api/v1/worker")
        socket = Socket(client.websocket)
        await client.websocket.receive()
        await socket.open(None)
        client.takes.clear()
        data = b'"' + b"x" * (BATCH_BYTES - 2) + b'"'
        sends = itertools.takewhile(lambda _: not socket.closing, itertools.repeat(data))
        assert sum(map(_sent(socket), sends)) <= 4 * MOST_WAITING_BYTES + 2 * BATCH_BYTES
        client.takes.set()
        await aeventually(lambda: asyncio.sleep(0, client.closed == TOO_SLOW))


def _sent(socket: Socket) -> Callable[[bytes], int]:
    def send(data: bytes) -> int:
        socket.send(data)
        return len(data)

    return send


@pytest.mark.parametrize(
    "frame",
    [
        {**IDENTIFY, "tasks": [{"name": str(n)} for n in range(10_001)]},
        {**IDENTIFY, "in_flight": [{"job": "j", "attempt": 1}] * 10_001},
        {**IDENTIFY, "capacity": 10_001},
        [{"t": "beat"}] * 501,
        {"t": "log", "job": "j", "attempt": 1, "lines": [{"seq": 0, "at": 1, "text": ""}] * 1_001},
    ],
    ids=["tasks", "jobs in flight", "capacity", "frames", "lines"],
)
def test_a_frame_with_too_many_parts_is_refused(frame: object) -> None:
    with pytest.raises(BadFrame):
        frames.parse(orjson.dumps(frame))


def test_a_subscription_to_too_many_topics_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 100 items"):
        SUBSCRIBE.validate_json(orjson.dumps({"t": "subscribe", "topics": [str(n) for n in range(101)]}))
