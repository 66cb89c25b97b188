"""A worker that uses only `infinitas.v1`, as a client in any language does."""

import contextlib
import json
import socket
import time
from typing import Any

from pydantic import TypeAdapter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from infinitas.wire.feed import MESSAGES as FEED_MESSAGES
from infinitas.wire.messages import MESSAGES
from tests.support import PATIENCE_S

Message = dict[str, Any]


class Peer:
    """One connection. Messages are kept until a test expects one of their kind."""

    def __init__(self, address: str, token: str | None = None, path: str = "/api/v1/worker") -> None:
        url = address.replace("http", "ws", 1) + path
        headers = {"Authorization": f"Bearer {token}"} if token else None
        # Never left as a context manager: that would send a close frame, and a cut cable does not.
        self.socket: ClientConnection = connect(
            url, additional_headers=headers, proxy=None, max_size=None, open_timeout=PATIENCE_S
        ).__enter__()
        self.kept: list[Message] = []
        self._models: TypeAdapter[Any] = MESSAGES if path.endswith("/worker") else FEED_MESSAGES
        """Of docs/asyncapi.json: each message is validated."""
        self.beating = False
        """Send heartbeats while reading."""
        self._beaten_at = 0.0

    def send(self, t: str, **fields: object) -> None:
        self.socket.send(json.dumps({"t": t, **fields}))

    def identify(self, *tasks: object, capacity: int = 1, **more: object) -> Message:
        """Send `identify`. Returns the welcome."""
        entries = [{"name": task, "options": {}} if isinstance(task, str) else task for task in tasks]
        self.send("identify", tasks=entries, capacity=capacity, **more)
        return self.expect("welcome")

    def expect(self, t: str, patience: float = PATIENCE_S, **fields: object) -> Message:
        """The next message of a kind with these fields, kept or received later."""
        deadline = time.monotonic() + patience
        while True:
            for message in self.kept:
                if message["t"] == t and all(message.get(k) == v for k, v in fields.items()):
                    self.kept.remove(message)
                    return message
            if time.monotonic() > deadline:
                raise AssertionError(f"no {t} {fields} within {patience:g} s, but {self.kept}")
            self._read()

    def close_code(self, patience: float = PATIENCE_S) -> int:
        """Read until the server closes."""
        deadline = time.monotonic() + patience
        try:
            while time.monotonic() < deadline:
                self._read()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        raise AssertionError("the server did not close")

    def drop(self) -> None:
        """End the connection without a close frame, as a cut cable does."""
        with contextlib.suppress(OSError):
            self.socket.socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        if self.beating and time.monotonic() > self._beaten_at + 0.5:
            self._beaten_at = time.monotonic()
            self.send("beat")
        try:
            found = json.loads(self.socket.recv(timeout=0.25))
        except TimeoutError:
            return
        for message in found if isinstance(found, list) else [found]:
            self._models.validate_python(message, strict=False)
            self.kept.append(message)
