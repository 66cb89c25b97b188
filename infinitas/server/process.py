"""The server process: the HTTP API on uvicorn."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from infinitas.app import Infinitas
from infinitas.broker.tokens import Tokens
from infinitas.client import Client
from infinitas.core.errors import ConfigError
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.process import StopSignal
from infinitas.server.api import make_api
from infinitas.server.sockets.frames import MAX_FRAME_BYTES
from infinitas.server.sockets.gateway import Gateway

_log = get_logger("server")
PORT = 3000
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _Quiet(uvicorn.Server):
    """Signals are ours (`run_until_signal`), not uvicorn's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_server(settings: Settings, host: str, port: int, stop: StopSignal) -> None:
    """Serve until `stop` is asked. Port 0 takes a free one; the log names it.

    Raises:
        ConfigError: the port is taken, or others could reach the server and there is no token.
        ServerUnreachable: Redis is away at the start.
    """
    client = Client(settings.redis_url or DEFAULT_REDIS, settings.postgres_url, settings.job_ttl)
    gateway = Gateway(Infinitas(redis_url=settings.redis_url), client, settings)
    try:
        await client.connection.check()
        if host not in LOOPBACK and not await Tokens(client.connection).any():
            raise ConfigError(
                f"On {host} others could reach the server, and there is no token yet. Make one with "
                "`infinitas token add NAME --scope admin`, or leave out --host."
            )
        with _listen(host, port) as listening:
            _log.info("Server answers on http://%s:%d", host, listening.getsockname()[1])
            await _serve(make_api(client, gateway, local=host in LOOPBACK), gateway, listening, stop)
        _log.info("Server has stopped.")
    finally:
        await client.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError(f"The server can't listen on {host}:{port}: {error.strerror}.") from None


async def _serve(api: FastAPI, gateway: Gateway, listening: socket.socket, stop: StopSignal) -> None:
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
    )
    server = _Quiet(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    asked = asyncio.ensure_future(stop.asked.wait())
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    await gateway.close()
    server.should_exit = True
    asked.cancel()
    await serving
