"""Floods of a server's sockets, by raw TCP: what no client library would send."""

import base64
import os
import socket
import struct
import time
from urllib.parse import urlsplit

TEXT, PING, PONG = 0x1, 0x9, 0xA
FIN = 0x80
CHUNK_BYTES = 60_000


class RawSocket:
    """An accepted WebSocket whose frames are written byte by byte."""

    def __init__(self, address: str, path: str = "/api/v1/worker", token: str | None = None) -> None:
        where = urlsplit(address)
        self.socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=10)
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

    def flood(self, frame: bytes, seconds: float) -> int | None:
        """Send one frame again and again. Returns the close code; None: the server reads on, or stopped."""
        chunk = frame * max(1, CHUNK_BYTES // len(frame))
        ends = time.monotonic() + seconds
        self.socket.settimeout(0.5)
        while time.monotonic() < ends:
            try:
                self.socket.sendall(chunk)
            except TimeoutError:
                continue
            except OSError:
                break
        return self.close_code()

    def close_code(self) -> int | None:
        """The code of the close frame that the server has sent, if any."""
        self.socket.settimeout(0.2)
        try:
            while data := self.socket.recv(1 << 20):
                self.received = (self.received + data)[-(1 << 20) :]
        except OSError:
            pass
        for place in range(len(self.received) - 3):
            if self.received[place] == FIN | 0x8:
                return int(struct.unpack("!H", self.received[place + 2 : place + 4])[0])
        return None

    def close(self) -> None:
        self.socket.close()

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
