"""uvicorn's WebSocket protocol with bounds: no client's frames hold the event loop up or stay in memory.

uvicorn reads up to 256 kB at once, parses all frames in it, and counts neither control frames nor fragments.
Here it parses a small slice, and the next one only after the application has taken the messages of the last.
"""

import time
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent
    from websockets.frames import Frame

SLICE_BYTES = 4096
"""At most 680 frames, some milliseconds."""
MOST_PER_S = 100
"""Pings, pongs and small fragments, together; as many may come at once."""
SMALL_BYTES = 1024
"""Larger fragments are bounded by the size of a message."""
POLICY = 1008
CLOSE_TIMEOUT_S = 2.0


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Closes with 1008 when more than MOST_PER_S control frames and small fragments arrive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_TIMEOUT_S
        self._unparsed = bytearray()
        self._left = float(MOST_PER_S)
        self._counted_at = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self._unparsed += data
        self._parse()

    def connection_lost(self, exc: Exception | None) -> None:
        # What came before the end is at most one read.
        while self._unparsed:
            self._parse_slice()
        super().connection_lost(exc)

    async def receive(self) -> "ASGIReceiveEvent":
        message = await self.queue.get()
        self._parse()
        return message

    def _parse(self) -> None:
        """Parse until the application has a message to take. Meanwhile nothing more is read."""
        while self._unparsed and (self.queue.empty() or self.close_sent):
            self._parse_slice()
        reads = not self._unparsed and (self.queue.empty() or self.close_sent)
        if reads == self.read_paused and not self.transport.is_closing():
            self.read_paused = not reads
            if reads:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def _parse_slice(self) -> None:
        part = bytes(self._unparsed[:SLICE_BYTES])
        del self._unparsed[:SLICE_BYTES]
        if not self.disconnected and not self.transport.is_closing():
            super().data_received(part)

    def handle_ping(self) -> None:
        self._count()
        super().handle_ping()

    def handle_pong(self, event: "Frame") -> None:
        self._count()
        super().handle_pong(event)

    def handle_cont(self, event: "Frame") -> None:
        self._count_fragment(event)
        super().handle_cont(event)

    def handle_text(self, event: "Frame") -> None:
        self._count_fragment(event)
        super().handle_text(event)

    def handle_bytes(self, event: "Frame") -> None:
        self._count_fragment(event)
        super().handle_bytes(event)

    def send_receive_event_to_app(self) -> None:
        data = b"".join(self.frames)
        self.frames = [data]
        if self.curr_msg_data_type == "text" and not _is_text(data):
            # uvicorn would log a traceback.
            self.frames = []
            self._fail(1007, "no UTF-8")
            return
        if self.close_sent:
            # Nothing more is wanted of this client but its close frame.
            self._count()
        super().send_receive_event_to_app()

    def _count_fragment(self, event: "Frame") -> None:
        if not event.fin and len(event.data) < SMALL_BYTES:
            self._count()

    def _count(self) -> None:
        now = time.monotonic()
        self._left = min(self._left + (now - self._counted_at) * MOST_PER_S, MOST_PER_S) - 1
        self._counted_at = now
        if self._left < 0:
            self._fail(POLICY, "too many control frames or fragments")

    def _fail(self, code: int, reason: str) -> None:
        self._unparsed.clear()
        if self.transport.is_closing():
            return
        if self.close_sent:
            self.transport.close()
            return
        self.conn.fail(code, reason)
        self.handle_parser_exception()


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
