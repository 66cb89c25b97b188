"""One accepted WebSocket: frames in, messages out, with bounds on both."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from infinitas.core.errors import BadFrame
from infinitas.wire import close_codes
from infinitas.wire.frames import MAX_FRAME_BYTES

BATCH_BYTES = 256 * 1024
MOST_WAITING_BYTES = 8 * 1024 * 1024
"""More may wait for SLOW_AFTER_S, and four times as much never."""
SLOW_AFTER_S = 15.0
CLOSE_WITHIN_S = 2.0


class Closed(Exception):
    """One of the two sides has closed the connection."""


class Socket:
    """Queues messages. Those that wait together are sent together, as a list in one frame."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        """Set when there is something to send, or to close."""
        self._closing: tuple[int, str] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._sent_at = 0.0
        """When something was sent last, or the first of what waits arrived."""
        self.on_sent: Callable[[], None] = lambda: None
        """Called after each frame."""

    async def open(self, subprotocol: str | None) -> None:
        await self._websocket.accept(subprotocol)
        self._sender = asyncio.create_task(self._send_all())

    async def receive(self) -> str:
        """The next text. Raises Closed, BadFrame."""
        try:
            message = await self._websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            raise Closed from None
        if message["type"] != "websocket.receive":
            raise Closed
        text = message.get("text")
        if text is None:
            raise BadFrame("Frames are text, not binary.")
        if len(text) > MAX_FRAME_BYTES:
            raise BadFrame(f"A frame has at most {MAX_FRAME_BYTES:,} bytes.")
        return str(text)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def send(self, data: bytes) -> None:
        """Queue a message, as JSON. The socket is closed if much waits and nothing is taken for a while."""
        if self._closing is not None:
            return
        if not self._waiting:
            self._sent_at = time.monotonic()
        self._waiting.append(data)
        self._bytes += len(data)
        self._changed.set()
        if self._bytes > MOST_WAITING_BYTES:
            self._close_if_stuck()

    def close(self, code: int, reason: str) -> None:
        """Close after the waiting messages are sent."""
        if self._closing is None:
            self._closing = code, reason
            self._changed.set()

    def close_too_slow(self) -> None:
        """Close because the other side reads too slowly."""
        self.close(close_codes.TOO_SLOW, "read faster")

    @property
    def closing(self) -> bool:
        return self._closing is not None

    @property
    def sending(self) -> "asyncio.Task[None]":
        """Done once this side has closed the socket, whether or not the other side answers."""
        assert self._sender is not None
        return self._sender

    async def closed(self) -> None:
        """Wait up to CLOSE_WITHIN_S until all is sent, then stop sending."""
        await asyncio.wait({self.sending}, timeout=CLOSE_WITHIN_S)
        self.sending.cancel()

    async def _send_all(self) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                while self._waiting:
                    await self._websocket.send_text(self._next_batch())
                    self._sent_at = time.monotonic()
                    self.on_sent()
                if self._closing is not None:
                    if self._websocket.application_state is WebSocketState.CONNECTED:
                        await self._websocket.close(*self._closing)
                    return
        except (RuntimeError, WebSocketDisconnect, OSError):
            self._closing = self._closing or (close_codes.RESTART, "disconnected")
            self._waiting.clear()

    def _close_if_stuck(self) -> None:
        slow = time.monotonic() - self._sent_at > SLOW_AFTER_S
        if slow or self._bytes > 4 * MOST_WAITING_BYTES:
            self._waiting.clear()
            self.close_too_slow()

    def _next_batch(self) -> str:
        first = self._waiting.popleft()
        size, batch = len(first), [first]
        while self._waiting and size + len(self._waiting[0]) < BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1])
        self._bytes -= size
        return first.decode() if len(batch) == 1 else f"[{b','.join(batch).decode()}]"
