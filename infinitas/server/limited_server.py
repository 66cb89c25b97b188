"""Uvicorn's server, without its signals, and with a time limit for TLS handshakes."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

HANDSHAKE_S = 10.0
"""A connection without a handshake is no request yet: no other limit is about it."""


class LimitedServer(uvicorn.Server):
    """Serves on sockets that its caller has bound. Leaves signals to `run_until_signal`."""

    def __init__(self, config: uvicorn.Config, handshake_s: float = HANDSHAKE_S) -> None:
        super().__init__(config)
        self._handshake_s = handshake_s

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which leaves TLS handshakes asyncio's 60 s."""
        loop, config = asyncio.get_running_loop(), self.config
        await self.lifespan.startup()

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        self.servers = [
            await loop.create_server(
                protocol,
                sock=each,
                ssl=config.ssl,
                backlog=config.backlog,
                ssl_handshake_timeout=self._handshake_s if config.ssl else None,
            )
            for each in sockets or []
        ]
        self.started = True
