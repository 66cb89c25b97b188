"""The server process: the HTTP API on uvicorn."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from infinitas.app.app import Infinitas
from infinitas.broker.tokens import Tokens
from infinitas.client.redis_client import Client
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.signals import StopSignal, allow_many_sockets
from infinitas.server.api import RATE, make_api
from infinitas.server.websocket.gateway import Gateway
from infinitas.wire.frames import MAX_FRAME_BYTES

_log = get_logger("server")
PORT = 3000
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _Quiet(uvicorn.Server):
    """Signals are ours (`run_until_signal`), not uvicorn's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the server listens, and how. Port 0 takes a free one; the log names it."""

    host: str = "127.0.0.1"
    port: int = PORT
    tls_cert: str | None = None
    tls_key: str | None = None
    rate: float = RATE
    """Requests a second that each token may make; 0: any number."""

    @property
    def local(self) -> bool:
        """Nobody but this machine can reach it."""
        return self.host in LOOPBACK


@asynccontextmanager
async def serving(settings: Settings, *, local: bool, rate: float = RATE) -> AsyncIterator[FastAPI]:
    """The API with all that it needs, until the block ends: also for an ASGI app to mount.

    Raises:
        ServerUnreachable, UnsafeBroker: Redis is away at the start, or can't be trusted.
    """
    client = Client(settings.redis_url or DEFAULT_REDIS, settings.postgres_url, settings.job_ttl)
    gateway = Gateway(Infinitas(redis_url=settings.redis_url), client, settings)
    try:
        await client.connection.check()
        await _migrate(settings)
        yield make_api(client, gateway, local=local, rate=rate)
    finally:
        await gateway.close()
        await client.close()


async def run_server(settings: Settings, binding: Binding, stop: StopSignal) -> None:
    """Serve until `stop` is asked.

    Raises:
        ConfigError: the port is taken, or others could reach the server and there is no token.
        ServerUnreachable: Redis is away at the start.
    """
    allow_many_sockets()
    async with serving(settings, local=binding.local, rate=binding.rate) as api:
        await _refuse_to_be_open(api.state.client, binding)
        with _listen(binding.host, binding.port) as listening:
            scheme = "https" if binding.tls_cert else "http"
            _log.info("Server answers on %s://%s:%d", scheme, binding.host, listening.getsockname()[1])
            await _serve(api, binding, listening, stop)
        _log.info("Server has stopped.")


async def _refuse_to_be_open(client: Client, binding: Binding) -> None:
    if not binding.local and not await Tokens(client.connection).any():
        raise ConfigError(
            f"On {binding.host} others could reach the server, and there is no token yet. Make one with "
            "`infinitas token add NAME --scope admin`, or leave out --host."
        )


async def _migrate(settings: Settings) -> None:
    """Tables for what only the archive has. Without Postgres the rest works; who asks is told."""
    if settings.postgres_url is None:
        return
    # Imported here: without the `postgres` extra everything but the archive works.
    from infinitas.archive.connection import Archive
    from infinitas.archive.migrate import migrate

    archive = Archive(settings.postgres_url, "server")
    try:
        for name in await migrate(archive):
            _log.info("Applied migration %s.", name)
    except ServerUnreachable as error:
        _log.warning("History is missing until Postgres is there: %s", error)
    finally:
        await archive.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError(f"The server can't listen on {host}:{port}: {error.strerror}.") from None


async def _serve(api: FastAPI, binding: Binding, listening: socket.socket, stop: StopSignal) -> None:
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        # Frames are small and many: compression would cost more than it saves.
        ws_per_message_deflate=False,
        ssl_certfile=binding.tls_cert,
        ssl_keyfile=binding.tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"The certificate or its key can't be used: {error}.") from None
    server = _Quiet(config)
    running = asyncio.ensure_future(server.serve(sockets=[listening]))
    asked = asyncio.ensure_future(stop.requested.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    await api.state.gateway.close()
    server.should_exit = True
    asked.cancel()
    await running
