"""A TCP proxy to Postgres that can go silent: its connections stay open, and nothing arrives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Forwards bytes between its own port and Postgres' socket."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._path = f"{parts.username}@127.0.0.1", parts.path
        self._part: bytes | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.silenced = asyncio.Event()
        self.url = ""

    async def start(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._connect, "127.0.0.1", port)
        user, path = self._path
        self.url = f"postgresql://{user}:{server.sockets[0].getsockname()[1]}{path}"
        return server

    def silence(self) -> None:
        """Open and new connections are silent."""
        self._open.clear()
        self.silenced.set()

    def silence_after(self, part: bytes) -> None:
        """As `silence`, after a client has sent data with this part in it to Postgres."""
        self._part = part

    def forward(self) -> None:
        """New connections work; the silent ones stay silent."""
        self._open = asyncio.Event()
        self._open.set()

    async def close(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(self._socket)
        open_ = self._open
        for source, sink, sends in ((reader, ours, True), (theirs, writer, False)):
            pump = asyncio.create_task(self._pump(source, sink, open_, sends=sends))
            self._pumps.add(pump)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        open_: asyncio.Event,
        *,
        sends: bool,
    ) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(65_536):
                    await open_.wait()
                    if sends and self._part and self._part in data:
                        self._part = None
                        self.silence()
                    sink.write(data)
                    await sink.drain()
                await open_.wait()
        finally:
            sink.close()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(url)
    server = await proxy.start()
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
