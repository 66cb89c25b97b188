"""A way to Postgres over TCP that can go silent as a forgotten connection does: open, and nothing comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Forwards bytes between a port of its own and Postgres' socket."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._path = f"{parts.username}@127.0.0.1", parts.path
        self._words: bytes | None = None
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
        """Connections that are open, and those to come, are silent."""
        self._open.clear()
        self.silenced.set()

    def silence_after(self, words: bytes) -> None:
        """As `silence`, once a client has sent what has these words in it, and Postgres has it."""
        self._words = words

    def speak(self) -> None:
        """New connections work; the silent ones stay silent for ever."""
        self._open = asyncio.Event()
        self._open.set()

    async def close(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(self._socket)
        open_ = self._open
        for source, sink, asks in ((reader, ours, True), (theirs, writer, False)):
            pump = asyncio.create_task(self._pump(source, sink, open_, asks=asks))
            self._pumps.add(pump)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        open_: asyncio.Event,
        *,
        asks: bool,
    ) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(65_536):
                    await open_.wait()
                    if asks and self._words and self._words in data:
                        self._words = None
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
