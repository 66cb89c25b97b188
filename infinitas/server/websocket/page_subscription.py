"""One page's WebSocket: it subscribes to topics, and receives their frames (docs/http.md)."""

import asyncio
import contextlib
import time

import orjson
from pydantic import ValidationError
from starlette.websockets import WebSocket

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import Scope
from infinitas.core.errors import (
    BadFrame,
    Forbidden,
    InfinitasError,
    RateLimited,
    ServerUnreachable,
    Unauthorized,
)
from infinitas.server.auth import authenticate, refuse_other_sites
from infinitas.server.rate_limit import RateLimit
from infinitas.server.websocket.event_broadcaster import EventBroadcaster
from infinitas.server.websocket.frame_budget import FrameBudget
from infinitas.server.websocket.socket import Closed, Socket
from infinitas.wire import close_codes
from infinitas.wire.feed import PROTOCOL, SUBSCRIBE, Subscribe

MOST_UNKNOWN = 10
"""Frames of a later version, before `subscribe`."""
TOPICS_A_FRAME = 10
"""More topics count as more frames."""
SUBSCRIBE_WITHIN_S = 10.0
BEAT_EVERY_S = 10.0
LAG_BYTES = 256 * 1024
LAG_FOR_S = 30.0
_CLOSE_CODES = {
    Unauthorized.code: close_codes.UNAUTHORIZED,
    Forbidden.code: close_codes.FORBIDDEN,
    ServerUnreachable.code: close_codes.LATER,
    RateLimited.code: close_codes.TOO_SLOW,
}


class PageSubscription:
    """Serves until the socket closes."""

    def __init__(
        self, broadcaster: EventBroadcaster, client: RedisClient, websocket: WebSocket, rate: RateLimit
    ) -> None:
        self._broadcaster = broadcaster
        self._client = client
        self._websocket = websocket
        self._socket = Socket(websocket)
        self._budget = FrameBudget(rate)
        self._topics: list[str] = []
        self._lags_since: float | None = None
        self._current: Subscribe | None = None

    async def serve(self) -> None:
        offered = self._websocket.scope.get("subprotocols") or []
        await self._socket.open(PROTOCOL if PROTOCOL in offered else None)
        beating = asyncio.create_task(self._beat())
        try:
            refuse_other_sites(self._websocket)
            await self._subscribe(await self._receive_first())
            while True:
                text = await self._socket.receive()
                wanted = _parse(text)
                if wanted is None:
                    await self._budget.spend(1, len(text))
                    continue
                await self._budget.spend(1 + len(wanted.topics) // TOPICS_A_FRAME, len(text))
                await self._subscribe(wanted)
        except Closed:
            self._socket.close(close_codes.RESTART, "disconnected")
        except InfinitasError as error:
            self._refuse(error)
        finally:
            beating.cancel()
            self._broadcaster.unsubscribe(self._topics, self._deliver)
            await self._socket.closed()

    def disconnect(self) -> None:
        """Close, because this server stops."""
        self._socket.close(close_codes.RESTART, "the server stops: connect again")

    async def _receive_first(self) -> Subscribe:
        try:
            async with asyncio.timeout(SUBSCRIBE_WITHIN_S):
                for _ in range(MOST_UNKNOWN):
                    if (found := _parse(await self._socket.receive())) is not None:
                        return found
        except TimeoutError:
            self._socket.close(close_codes.SILENT, f"no `subscribe` within {SUBSCRIBE_WITHIN_S:g} s")
            raise Closed from None
        raise BadFrame("The first frame is `subscribe`.")

    async def _authorize(self, subscribe: Subscribe) -> None:
        """Raises Unauthorized, Forbidden, ServerUnreachable."""
        header = self._websocket.headers.get("authorization", "")
        credentials = f"Bearer {subscribe.token}" if subscribe.token else header
        token = await authenticate(self._websocket, self._client, credentials)
        if not token.allows(Scope.READ):
            raise Forbidden(f"The token {token.name!r} lacks the scope 'read'.")
        self._budget.begin(f"token:{token.id}")

    async def _authorize_again(self, subscribe: Subscribe) -> None:
        """Close when the token was revoked or has expired."""
        try:
            await self._authorize(subscribe)
        except (Unauthorized, Forbidden) as error:
            self._refuse(error)

    def _refuse(self, error: InfinitasError) -> None:
        self._socket.send(orjson.dumps({"t": "err", "code": error.code, "detail": str(error)}))
        self._socket.close(_CLOSE_CODES.get(error.code, close_codes.BAD_FRAME), error.code)

    async def _subscribe(self, subscribe: Subscribe) -> None:
        await self._authorize(subscribe)
        self._current = subscribe
        self._broadcaster.unsubscribe(self._topics, self._deliver)
        self._topics = sorted(set(subscribe.topics))
        numbers = await self._broadcaster.subscribe(self._topics, self._deliver)
        self._socket.send(orjson.dumps({"t": "subscribed", "topics": numbers}))

    def _deliver(self, topic: str, frame: bytes) -> None:
        """Send a frame. A page that reads too slowly misses frames, gets a `resync`, or is closed."""
        if self._socket.waiting_bytes > LAG_BYTES:
            self._lags_since = self._lags_since or time.monotonic()
            if time.monotonic() - self._lags_since > LAG_FOR_S:
                self._socket.close_too_slow()
            return
        if self._lags_since is not None:
            self._lags_since = None
            self._socket.send(orjson.dumps({"t": "resync"}))
        self._socket.send(frame)

    async def _beat(self) -> None:
        """Send `beat`, so that a page detects a broken connection; check its token again."""
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            self._socket.send(orjson.dumps({"t": "beat"}))
            if self._current is not None:
                with contextlib.suppress(ServerUnreachable):
                    await self._authorize_again(self._current)


def _is_of_the_future(text: str) -> bool:
    try:
        frame = orjson.loads(text)
    except ValueError:
        return False
    kind = frame.get("t") if isinstance(frame, dict) else None
    return isinstance(kind, str) and kind != "subscribe"


def _parse(text: str) -> Subscribe | None:
    """None for a frame of a later version. Raises BadFrame."""
    try:
        return SUBSCRIBE.validate_json(text)
    except ValidationError as error:
        if _is_of_the_future(text):
            return None
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])[:80]
        raise BadFrame(f"That is no frame of {PROTOCOL}: {where}: {fault['msg'][:200]}.") from None
