"""Silent and slow connections are closed, and never shut out a client that sends its request."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from infinitas.server.connection_limits import ConnectionLimits, limited_protocol
from infinitas.server.limited_server import LimitedServer
from tests.server.test_certificates import Authority
from tests.support import PATIENCE_S

HELLO = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def answer(
    scope: dict[str, object], receive: Callable[[], Awaitable[dict[str, object]]], send: object
) -> None:
    assert callable(send)
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(limits: ConnectionLimits, handshake_s: float = 10.0, **tls: Path) -> AsyncIterator[Open]:
    config = uvicorn.Config(
        answer,
        log_config=None,
        lifespan="off",
        http=limited_protocol(limits),  # type: ignore[arg-type]
        **{f"ssl_{name}file": path for name, path in tls.items()},  # type: ignore[arg-type]
    )
    server = LimitedServer(config, handshake_s)
    config.load()
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.startup([listening])
    async with AsyncExitStack() as opened:

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            opened.callback(writer.close)
            return reader, writer

        yield connect
    server.should_exit = True
    await server.shutdown([listening])


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What arrives until the server has closed."""
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost:",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
        HELLO + b"GET / HT",
    ],
    ids=["silent", "half a header", "half a body", "half a second request"],
)
async def test_a_request_that_does_not_arrive_is_given_up(start: bytes) -> None:
    async with serving(ConnectionLimits(header_s=0.1, body_s=0.1)) as connect:
        reader, writer = await connect()
        writer.write(start)
        assert (b"200 OK" in await closed(reader)) is start.startswith(HELLO)


@pytest.mark.parametrize("fold", [b" ", b"\t"])
async def test_a_folded_header_line_is_refused(fold: bytes) -> None:
    async with serving(ConnectionLimits()) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\n a" + HELLO)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200"), "a body may have such lines"
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n" + fold + b"c: d\r\n\r\n")
        assert (await closed(reader)).startswith(b"HTTP/1.1 400")


async def test_a_handshake_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    cert, key = Authority(tmp_path, "ours").sign("server")
    async with serving(ConnectionLimits(), handshake_s=0.1, cert=cert, key=key) as connect:
        for start in (b"", b"\x16\x03\x01\x02\x00\x01"):
            reader, writer = await connect()
            writer.write(start)
            assert await closed(reader) == b""


async def test_dripping_does_not_extend_the_time() -> None:
    async with serving(ConnectionLimits(header_s=0.2)) as connect:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\n")
        end = asyncio.ensure_future(closed(reader))
        sent = 0
        while not end.done():
            writer.write(b"a: b\r\n")
            sent += 1
            await asyncio.wait({end}, timeout=0.01)
        assert 1 < sent < 1_000


async def test_silent_connections_shut_out_no_client() -> None:
    async with serving(ConnectionLimits(most_of_address=3)) as connect:
        silent = [await connect() for _ in range(3)]
        for _ in range(5):
            reader, writer = await connect()
            writer.write(HELLO)
            assert (await asyncio.wait_for(reader.readline(), PATIENCE_S)).startswith(b"HTTP/1.1 200")
        assert await closed(silent[0][0]) == b"", "the oldest made place"


async def test_a_request_that_is_carried_out_is_not_limited() -> None:
    async with serving(ConnectionLimits(header_s=0.05, body_s=0.05, most=1)) as connect:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(HELLO)
            assert (await asyncio.wait_for(reader.readuntil(b"ok"), PATIENCE_S)).endswith(b"ok")
