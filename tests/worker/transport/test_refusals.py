"""A server that refuses a worker for good ends it, with the reason and the remedy: it is not asked again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from infinitas import ConfigError, Infinitas, InfinitasError, ServerUnreachable
from infinitas.core.errors import Forbidden, Unauthorized
from infinitas.runtime.signals import StopSignal
from infinitas.wire import close_codes, frames
from infinitas.worker.worker import Worker
from tests.server_fixtures import APP, MakeToken, StartNode
from tests.support import PATIENCE_S, Processes, eventually

HELLO = {"t": "hello", "protocol": frames.PROTOCOL, "beat_ms": 50, "accept_ms": 5000, "lease_ms": 200}
JOB: dict[str, Any] = {
    **{"t": "job", "job": "j1", "attempt": 1, "task": "hold", "args": [[], {}], "due": 0, "schedule": None},
    **{"headers": {}, "checkpoint": None, "uncharged": 0, "lost": False, "age": 0.0},
}
End = Callable[[ServerConnection], Any]


class Scripted:
    """A server that welcomes one worker, gives it a job, and ends the connection as a test chooses."""

    def __init__(self) -> None:
        self.connections = 0
        self.busy = True
        self.go = asyncio.Event()
        self.end: End
        self.status: HTTPStatus | None = None
        """Of later handshakes."""
        self.address = ""

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.connections += 1
        if self.status is None or self.connections == 1:
            return None
        return connection.respond(self.status, "no")

    async def converse(self, socket: ServerConnection) -> None:
        await send(socket, HELLO)
        await socket.recv()
        if self.connections > 1:
            await self.end(socket)
            return
        await send(socket, {"t": "welcome", "session": "s", "now": 0, "resumed": []})
        if self.busy:
            await send(socket, JOB)
        await self.go.wait()
        await self.end(socket)


async def send(socket: ServerConnection, message: dict[str, Any]) -> None:
    await socket.send(json.dumps(message))


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    script = Scripted()
    async with serve(
        script.converse,
        "127.0.0.1",
        0,
        process_request=script.answer,
        subprotocols=[frames.PROTOCOL],  # type: ignore[list-item]
    ) as server:
        script.address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script


class Holding:
    """A worker whose job runs until it is stopped."""

    def __init__(self, address: str) -> None:
        app = Infinitas(server=address, token="inf_x").configure(lease=1)
        self.begun, self.ends = asyncio.Event(), list[str]()

        @app.task
        async def hold() -> None:
            self.begun.set()
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                self.ends.append("cancelled")
                raise

        self.stop = StopSignal()
        self.worker = Worker(app.registry, app.settings)
        self.running = asyncio.create_task(self.worker.run(self.stop))

    async def ends_with(self, kind: type[InfinitasError]) -> InfinitasError:
        with pytest.raises(kind) as ended:
            async with asyncio.timeout(PATIENCE_S):
                await self.running
        return ended.value


def closing(close_code: int, reason: str, **err: str) -> End:
    async def end(socket: ServerConnection) -> None:
        if err:
            await send(socket, {"t": "err", **err})
        await socket.close(close_code, reason)

    return end


REFUSALS: dict[str, tuple[End, type[InfinitasError], str]] = {
    "revoked": (
        closing(close_codes.UNAUTHORIZED, "unauthorized", code="unauthorized", detail="Send a valid token."),
        Unauthorized,
        "Send a valid token. Set INFINITAS_TOKEN to a valid token",
    ),
    "revoked, without a word": (closing(4401, ""), Unauthorized, "close code 4401. Set INFINITAS_TOKEN"),
    "scope": (closing(4403, "forbidden"), Forbidden, "the scope `worker`"),
    "version": (closing(4426, "only infinitas.v9"), ConfigError, "only infinitas.v9. Install the version"),
    "taken over": (closing(4409, "another connection took it"), ConfigError, "another connection"),
    "frames": (closing(4400, "bad_frame"), ConfigError, "bad_frame"),
    "undeclared": (
        closing(4400, "unknown_task", code="unknown_task", detail="The task 'hold' is not declared."),
        InfinitasError,
        "The task 'hold' is not declared.",
    ),
}


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refusal_ends_a_running_worker(scripted: Scripted, refusal: str, busy: bool) -> None:
    scripted.end, kind, text = REFUSALS[refusal]
    scripted.busy = busy
    worker = Holding(scripted.address)
    await (worker.begun if busy else worker.worker.ready).wait()
    scripted.go.set()
    error = await worker.ends_with(kind)
    assert text in str(error)
    assert worker.ends == (["cancelled"] if busy else [])
    assert scripted.connections == 1
    assert not worker.worker.abandoned


@pytest.mark.parametrize("refusal", ["revoked", "scope", "version"])
async def test_a_refusal_ends_a_worker_that_reconnects(scripted: Scripted, refusal: str) -> None:
    ends = iter([closing(close_codes.RESTART, "the server stops"), REFUSALS[refusal][0]])
    scripted.end = lambda socket: next(ends)(socket)
    worker = Holding(scripted.address)
    await worker.begun.wait()
    scripted.go.set()
    await worker.ends_with(REFUSALS[refusal][1])
    assert scripted.connections == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (HTTPStatus.UNAUTHORIZED, Unauthorized),
        (HTTPStatus.FORBIDDEN, Forbidden),
        (HTTPStatus.UPGRADE_REQUIRED, ConfigError),
    ],
)
async def test_a_proxy_refuses_like_the_server(
    scripted: Scripted, status: HTTPStatus, kind: type[InfinitasError]
) -> None:
    scripted.end, scripted.status = closing(close_codes.RESTART, "the server stops"), status
    worker = Holding(scripted.address)
    await worker.begun.wait()
    scripted.go.set()
    assert f"HTTP {status.value}" in str(await worker.ends_with(kind))
    assert scripted.connections == 2


async def test_a_refusal_while_the_worker_stops_ends_it_at_once(scripted: Scripted) -> None:
    scripted.end = REFUSALS["revoked"][0]
    worker = Holding(scripted.address)
    await worker.begun.wait()
    worker.stop.request()
    assert worker.worker.session is not None
    scripted.go.set()
    await worker.ends_with(Unauthorized)


async def test_a_server_that_can_not_work_now_is_asked_again(scripted: Scripted) -> None:
    ends = iter([closing(close_codes.LATER, "server_unreachable"), REFUSALS["revoked"][0]])
    scripted.end = lambda socket: next(ends)(socket)
    worker = Holding(scripted.address)
    await worker.begun.wait()
    scripted.go.set()
    await worker.ends_with(Unauthorized)
    assert scripted.connections == 2, "it came back once"


@pytest.mark.parametrize(
    ("end", "kind"),
    [(REFUSALS["revoked"][0], Unauthorized), (closing(1013, "server_unreachable"), ServerUnreachable)],
)
async def test_the_same_at_the_start(scripted: Scripted, end: End, kind: type[InfinitasError]) -> None:
    scripted.connections, scripted.end = 1, end
    await Holding(scripted.address).ends_with(kind)


def test_a_revoked_token_ends_its_workers(
    http: httpx.Client, processes: Processes, make_token: MakeToken, start_node: StartNode
) -> None:
    """An idle one, one with a job in a thread that can't be stopped, and one in plain Node.js."""
    make_token("admin")
    token = make_token("worker", "jobs", "read")
    processes.environment |= {
        "INFINITAS_SERVER": str(http.base_url),
        "INFINITAS_TOKEN": token,
        "INFINITAS_CONCURRENCY": "1",
    }
    headers = {"Authorization": f"Bearer {token}"}
    workers = [processes.start("worker", APP) for _ in range(2)]
    workers.append(start_node(str(http.base_url), token=token))
    eventually(lambda: processes.logs().count(" serves ") == 2)
    body = {"args": [str(processes.folder / "never")]}
    id = http.post("/api/v1/tasks/slow_until/jobs", json=body, headers=headers).json()["id"]
    eventually(lambda: http.get(f"/api/v1/jobs/{id}", headers=headers).json()["state"] == "running")
    del processes.environment["INFINITAS_SERVER"], processes.environment["INFINITAS_TOKEN"]
    assert processes.call("token", "rm", token.split("_")[1]).returncode == 0
    assert [worker.wait(PATIENCE_S) for worker in workers] == [1, 1, 1]
    assert processes.logs().count("[unauthorized]") == 2
    assert processes.logs().lower().count("set infinitas_token to a valid token") == 3
    assert "Trying again" not in processes.logs()


async def test_a_client_asks_once(scripted: Scripted) -> None:
    """The HTTP client of `Infinitas(server=…)`."""
    scripted.status, scripted.connections = HTTPStatus.UNAUTHORIZED, 1
    app = Infinitas(server=scripted.address, token="inf_x")
    with pytest.raises(InfinitasError):
        await app.afetch_job("j")
    assert scripted.connections == 2
    app.close()
