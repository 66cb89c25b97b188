"""The server process: bind, TLS, uvicorn."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from infinitas.client.channel_access import ChannelAccess
from infinitas.client.lazy import LazyClient
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.names import shorten
from infinitas.core.plural import counted
from infinitas.monitor.presence import present
from infinitas.runtime.config import DEFAULT_REDIS, Settings
from infinitas.runtime.logging import get_logger
from infinitas.runtime.signals import StopSignal, allow_many_sockets
from infinitas.server.api import RATE, make_api
from infinitas.server.connection_limits import ConnectionLimits, limited_protocol
from infinitas.server.limited_server import LimitedServer
from infinitas.server.open_access import OpenAccess
from infinitas.server.token_keeper import keeping_tokens
from infinitas.server.websocket.bounded_protocol import BoundedWebSocket
from infinitas.server.websocket.gateway import Gateway
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.registry import Registry
from infinitas.wire.frames import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from infinitas.server.provider import Provider

_log = get_logger("server")
PORT = 3000
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){1,10}/?")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Binding:
    """Address, TLS and rate limit of the server. Port 0 takes a free port; the log names it."""

    host: str = "127.0.0.1"
    port: int = PORT
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    """Every client presents a certificate that this authority has signed."""
    rate: float = RATE
    """Requests a second that each token may make; 0: no limit."""
    root_path: str = ""
    """A prefix such as `/infinitas` that a reverse proxy removes from each path."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    always_open: bool = False
    """This machine needs no token while there is none, also after there has been one."""

    @property
    def local(self) -> bool:
        """Only this machine can reach the server."""
        return self.host in LOOPBACK


@asynccontextmanager
async def serving(
    settings: Settings, *, local: bool, rate: float = RATE, always_open: bool = False
) -> AsyncIterator[FastAPI]:
    """The API and its connections, until the block ends. Another ASGI app may mount it.

    Args:
        local: only this machine can reach it: without any token it answers requests to localhost.
        rate: requests a second that each token may make; 0: no limit.
        always_open: it does so also once tokens have been there, and without Postgres.

    Raises:
        ServerUnreachable: Redis can't be reached at the start.
        UnsafeBroker: this Redis can't be trusted with jobs.
        ConfigError: the settings `oidc_…` can't be used.
    """
    client = RedisClient(settings.redis_url or DEFAULT_REDIS, settings.postgres_url, settings.job_ttl)
    registry = Registry(LazyClient(redis_url=settings.redis_url), Plugins(()))
    gateway = Gateway(registry, client, settings, rate)
    channels = ChannelAccess(settings.postgres_url, "server")
    provider = open_provider(settings)
    # Where people sign in, requests without a login have no rights.
    access = OpenAccess(client, local=local and provider is None, always=always_open)
    try:
        await client.connection.check()
        await _migrate(settings)
        async with keeping_tokens(client.tokens):
            yield make_api(
                client,
                gateway,
                access,
                channels,
                rate=rate,
                notify_rules=settings.notify,
                provider=provider,
                page_url=settings.page_url,
            )
    finally:
        if provider is not None:
            await provider.close()
        await gateway.close()
        await channels.close()
        await client.close()


def open_provider(settings: Settings) -> "Provider | None":
    """The provider through which people sign in, if one is set up. Raises ConfigError."""
    if settings.oidc is None:
        return None
    try:
        # Imported here: it needs the extra `oidc`.
        from infinitas.server.provider import Provider
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"oidc_issuer needs the package {error.name}: pip install 'infinitas[oidc]'."
        ) from None
    return Provider(settings.oidc)


async def run_server(settings: Settings, binding: Binding, stop: StopSignal) -> None:
    """Serve until the stop signal.

    Raises:
        ConfigError: the port is taken, or other machines could reach the server and there is no token.
        ServerUnreachable: Redis can't be reached at the start.
    """
    allow_many_sockets()
    async with serving(
        settings, local=binding.local, rate=binding.rate, always_open=binding.always_open
    ) as api:
        await require_token(api.state.client, binding, api.state.provider)
        with _listen(binding.host, binding.port) as listening:
            scheme = "https" if binding.tls_cert else "http"
            host = f"[{binding.host}]" if ":" in binding.host else binding.host
            _log.info("Server answers on %s://%s:%d", scheme, host, listening.getsockname()[1])
            _log.info("Page: %s://%s:%d%s/", scheme, host, listening.getsockname()[1], binding.root_path)
            address = f"{scheme}://{_reachable(host)}:{listening.getsockname()[1]}"
            stop.life.begin("server", lambda: _describe(api, address))
            async with present(api.state.client.connection, "server", stop.life, address):
                await _serve(api, binding, listening, stop)
        _log.info("Server has stopped.")


async def require_token(client: RedisClient, binding: Binding, provider: object = None) -> None:
    """Raises ConfigError: other machines could reach the server, and there has never been a token."""
    if binding.local or provider is not None or await client.tokens.any():
        return
    with suppress(ServerUnreachable):
        if client.archive is None or not await client.archive.tokens.any():
            raise ConfigError(
                f"On {binding.host} other machines could reach the server, and there is no token yet. Make "
                "one with `infinitas token add NAME --scope admin`, or leave out --host."
            )


async def _migrate(settings: Settings) -> None:
    """Apply migrations. Without Postgres the server runs, and history routes answer 503."""
    if settings.postgres_url is None:
        return
    # Imported here: it needs the `postgres` extra.
    from infinitas.archive.connection import Archive
    from infinitas.archive.migrate import migrate

    archive = Archive(settings.postgres_url, "server")
    try:
        for name in await migrate(archive):
            _log.info("Applied migration %s.", name)
    except ServerUnreachable as error:
        _log.warning("History is missing until Postgres can be reached: %s", error)
    finally:
        await archive.close()


class _BehindPrefix:
    """ASGI middleware: the page's links begin with a prefix that a proxy has removed from the path."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            # As ASGI has it: the path begins with the root path.
            scope = {**scope, "root_path": self._prefix, "path": self._prefix + scope["path"]}
        await self._app(scope, receive, send)


def check_root_path(prefix: str) -> str:
    """A prefix without the slash at its end; '' for none. Raises ConfigError."""
    if prefix.rstrip("/") == "":
        return ""
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError(f"--root-path is {shorten(prefix)}; allowed: a path such as /infinitas.")
    return prefix.rstrip("/")


def _reachable(host: str) -> str:
    """A host of this machine that the server answers on."""
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)


def _describe(api: FastAPI, address: str) -> str:
    counts = api.state.gateway.counts
    return f"{address}, {counted(counts['worker'], 'remote worker')}, {counted(counts['page'], 'page')}"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError(
            f"The server can't listen on {host}:{port}: {error.strerror}. Choose another with --port."
        ) from None


async def _serve(api: FastAPI, binding: Binding, listening: socket.socket, stop: StopSignal) -> None:
    config = uvicorn.Config(
        _BehindPrefix(api, binding.root_path) if binding.root_path else api,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(binding.trusted_proxies),
        forwarded_allow_ips=list(binding.trusted_proxies),
        http=limited_protocol(ConnectionLimits()),  # type: ignore[arg-type]
        lifespan="off",
        timeout_graceful_shutdown=5,
        ws=BoundedWebSocket,
        ws_max_size=MAX_FRAME_BYTES,
        # Frames are small and frequent: compression costs more than it saves.
        ws_per_message_deflate=False,
        ssl_certfile=binding.tls_cert,
        ssl_keyfile=binding.tls_key,
        ssl_ca_certs=binding.tls_client_ca,
        ssl_cert_reqs=ssl.CERT_REQUIRED if binding.tls_client_ca else ssl.CERT_NONE,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"The certificate or its key can't be used: {error}.") from None
    server = LimitedServer(config)
    running = asyncio.ensure_future(server.serve(sockets=[listening]))
    stopping = asyncio.ensure_future(stop.requested.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await api.state.gateway.close()
    server.should_exit = True
    stopping.cancel()
    await running
