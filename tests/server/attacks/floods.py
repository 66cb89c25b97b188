"""Floods of a server's sockets, by raw TCP: what no client library would send."""

import base64
import os
import socket
import struct
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.support import PATIENCE_S

TEXT, PING, PONG = 0x1, 0x9, 0xA
FIN = 0x80
CHUNK_BYTES = 60_000


class RawSocket:
    """An accepted WebSocket whose frames are written byte by byte."""

    def __init__(self, address: str, path: str = "/api/v1/worker", token: str | None = None) -> None:
        where = urlsplit(address)
        self.socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=PATIENCE_S)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {where.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *([f"Authorization: Bearer {token}"] if token else []),
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.received = b""
        """The last MB from the server."""
        self.status = self._head()

    def flood(self, frame: bytes, seconds: float) -> None:
        """Send one frame again and again, until the time is over or the server has closed."""
        chunk = frame * max(1, CHUNK_BYTES // len(frame))
        ends = time.monotonic() + seconds
        self.socket.settimeout(0.5)
        while time.monotonic() < ends:
            try:
                self.socket.sendall(chunk)
            except TimeoutError:
                continue
            except OSError:
                return

    def close_code(self) -> int:
        """The code of the close frame that the server sends."""
        self.receive_until(lambda: self._close_frame() >= 0)
        place = self._close_frame()
        return int(struct.unpack("!H", self.received[place + 2 : place + 4])[0])

    def receive_until(self, condition: Callable[[], bool]) -> None:
        """Read until the condition is true. Raises OSError when the server sends nothing more."""
        self.socket.settimeout(PATIENCE_S)
        while not condition():
            data = self.socket.recv(1 << 20)
            if not data:
                raise OSError("the server has closed the connection without a close frame")
            self.received = (self.received + data)[-(1 << 20) :]

    def close(self) -> None:
        self.socket.close()

    def _close_frame(self) -> int:
        """Where it begins; -1: it has not arrived whole."""
        return self.received.find(FIN | 0x8, 0, -3)

    def _head(self) -> int:
        while b"\r\n\r\n" not in self.received:
            self.received += self.socket.recv(4096)
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return int(head.split()[1])


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A masked frame; the mask is 0, so that the payload is readable."""
    first = (FIN if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + payload


CONTROL = {
    "pings": (b"", frame(PING)),
    "pongs": (b"", frame(PONG)),
    "long pings": (b"", frame(PING, bytes(125))),
    "empty fragments": (frame(TEXT, b"{", fin=False), frame(0, fin=False)),
}
"""What begins a flood, and what it repeats."""
