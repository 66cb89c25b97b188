"""Limits silent and slow connections: how long a request may take to arrive, and how many may be open.

Refuses folded header lines too: a proxy in front may have read them as something else.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from h11 import RemoteProtocolError
from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """For connections whose request is not complete. A connection that is served counts as none.

    Attributes:
        header_s: for the first request line and all headers, and after each response for the next.
        body_s: for the body behind them.
        most: connections in all; of more, the oldest is closed.
        most_of_address: connections from one address.
    """

    header_s: float = 10.0
    body_s: float = 30.0
    most: int = 1_000
    most_of_address: int = 100


@dataclass(slots=True)
class _Waiting:
    """The connections of one server whose request is not complete, the oldest first."""

    limits: ConnectionLimits
    connections: dict["_Limited", None] = field(default_factory=dict)
    addresses: Counter[str] = field(default_factory=Counter)

    def add(self, connection: "_Limited") -> None:
        address = connection.address
        if self.addresses[address] >= self.limits.most_of_address:
            next(each for each in self.connections if each.address == address).cut()
        elif len(self.connections) >= self.limits.most:
            next(iter(self.connections)).cut()
        self.connections[connection] = None
        self.addresses[address] += 1

    def remove(self, connection: "_Limited") -> None:
        if connection in self.connections:
            del self.connections[connection]
            self.addresses[connection.address] -= 1
            if not self.addresses[connection.address]:
                del self.addresses[connection.address]


class _UnfoldedLines(ReceiveBuffer):
    """What was received of a request. A header line that begins with a space goes on from the one before."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Raises RemoteProtocolError, which is answered with 400: a line is folded (RFC 9112, 5.2)."""
        lines = super().maybe_extract_lines()
        if any(line.startswith((b" ", b"\t")) for line in lines or ()):
            raise RemoteProtocolError("folded header line")
        return lines


class _Limited(H11Protocol):
    """Uvicorn's protocol, which waits for a request without an end."""

    waiting: _Waiting

    _part = ""
    """Which part of a request is awaited: header, body, or none while it is carried out."""
    _timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.conn._receive_buffer = _UnfoldedLines()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: object) -> None:
        super().handle_websocket_upgrade(event)  # type: ignore[arg-type]
        # The transport has another protocol from now on, with limits of its own.
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def cut(self) -> None:
        self._end()
        self.transport.abort()

    def _watch(self) -> None:
        """Begin the time of a part when it begins; what arrives of it does not extend that."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return self._end()
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            part, seconds = "header", self.waiting.limits.header_s
        elif cycle.more_body:
            part, seconds = "body", self.waiting.limits.body_s
        else:
            return self._end()
        if part != self._part:
            self._end()
            self._part = part
            self.waiting.add(self)
            self._timer = self.loop.call_later(seconds, self.cut)

    def _end(self) -> None:
        self._part = ""
        self.waiting.remove(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def limited_protocol(limits: ConnectionLimits) -> Callable[..., asyncio.Protocol]:
    """The HTTP protocol of one server, for `uvicorn.Config(http=…)`."""
    return type("LimitedProtocol", (_Limited,), {"waiting": _Waiting(limits)})
