"""One page that listens: which topics, then their frames (docs/http.md)."""

import asyncio
import contextlib
import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import Scope
from infinitas.core.errors import BadFrame, Forbidden, InfinitasError, ServerUnreachable, Unauthorized
from infinitas.server.auth import identify, refuse_other_sites
from infinitas.server.websocket.event_broadcaster import Hub
from infinitas.server.websocket.socket import Channel, Closed
from infinitas.wire import close_codes

PROTOCOL = "infinitas.feed.v1"
MOST_TOPICS = 100
SUBSCRIBE_WITHIN_S = 10.0
TELL_EVERY_S = 10.0
LAG_BYTES = 256 * 1024
LAG_FOR_S = 30.0
_CLOSE_CODES = {
    Unauthorized.code: close_codes.UNAUTHORIZED,
    Forbidden.code: close_codes.FORBIDDEN,
    ServerUnreachable.code: close_codes.LATER,
}


class Subscribe(BaseModel):
    """The one frame of a page; a later one replaces it."""

    model_config = ConfigDict(extra="forbid")

    t: Literal["subscribe"]
    token: str | None = Field(default=None, max_length=200)
    topics: list[Annotated[str, Field(min_length=1, max_length=700)]] = Field(max_length=MOST_TOPICS)


class Feed:
    """Serves until the socket closes."""

    def __init__(self, hub: Hub, client: RedisClient, socket: WebSocket) -> None:
        self._hub = hub
        self._client = client
        self._socket = socket
        self._channel = Channel(socket)
        self._topics: list[str] = []
        self._lags_since: float | None = None
        self._wanted: Subscribe | None = None

    async def serve(self) -> None:
        offered = self._socket.scope.get("subprotocols") or []
        await self._channel.open(PROTOCOL if PROTOCOL in offered else None)
        telling = asyncio.create_task(self._tell())
        try:
            refuse_other_sites(self._socket)
            await self._subscribe(await self._first())
            while True:
                await self._subscribe(_parse(await self._channel.receive()))
        except Closed:
            self._channel.close(close_codes.RESTART, "gone")
        except InfinitasError as error:
            self._refuse(error)
        finally:
            telling.cancel()
            self._hub.leave(self._topics, self._hear)
            await self._channel.closed()

    def send_away(self) -> None:
        self._channel.close(close_codes.RESTART, "the server stops: come back")

    async def _first(self) -> Subscribe:
        try:
            async with asyncio.timeout(SUBSCRIBE_WITHIN_S):
                return _parse(await self._channel.receive())
        except TimeoutError:
            raise Unauthorized(f"No `subscribe` within {SUBSCRIBE_WITHIN_S:g} s.") from None

    async def _admit(self, wanted: Subscribe) -> None:
        """Raises Unauthorized, Forbidden, ServerUnreachable."""
        header = self._socket.headers.get("authorization", "")
        credentials = f"Bearer {wanted.token}" if wanted.token else header
        token = await identify(self._socket, self._client, credentials)
        if not token.allows(Scope.READ):
            raise Forbidden(f"The token {token.name!r} lacks the scope 'read'.")

    async def _admit_again(self, wanted: Subscribe) -> None:
        try:
            await self._admit(wanted)
        except (Unauthorized, Forbidden) as error:
            self._refuse(error)

    def _refuse(self, error: InfinitasError) -> None:
        self._channel.send({"t": "err", "code": error.code, "detail": str(error)})
        self._channel.close(_CLOSE_CODES.get(error.code, close_codes.BAD_FRAME), error.code)

    async def _subscribe(self, wanted: Subscribe) -> None:
        await self._admit(wanted)
        self._wanted = wanted
        self._hub.leave(self._topics, self._hear)
        self._topics = sorted(set(wanted.topics))
        numbers = await self._hub.listen(self._topics, self._hear)
        self._channel.send({"t": "subscribed", "topics": numbers})

    def _hear(self, topic: str, frame: bytes) -> None:
        """A page that reads too slowly misses frames, is told so, and at last is cut off."""
        if self._channel.waiting_bytes > LAG_BYTES:
            self._lags_since = self._lags_since or time.monotonic()
            if time.monotonic() - self._lags_since > LAG_FOR_S:
                self._channel.close(close_codes.TOO_SLOW, "read faster")
            return
        if self._lags_since is not None:
            self._lags_since = None
            self._channel.send({"t": "resync"})
        self._channel.send_bytes(frame)

    async def _tell(self) -> None:
        """So that a page knows a quiet connection from a broken one; a revoked token ends it."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self._channel.send({"t": "beat"})
            if self._wanted is not None:
                with contextlib.suppress(ServerUnreachable):
                    await self._admit_again(self._wanted)


def _parse(text: str) -> Subscribe:
    try:
        return Subscribe.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])[:80]
        raise BadFrame(f"That is no frame of {PROTOCOL}: {where}: {fault['msg'][:200]}.") from None
