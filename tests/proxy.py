"""A TCP address whose target a test changes; open connections stay where they are."""

import contextlib
import socket
import threading
from collections.abc import Callable, Collection


class Proxy:
    """Listens on loopback. `target`: where new connections go, a port or the path of a Unix socket."""

    def __init__(self, target: int | str, rewrite: Callable[[bytes], bytes] = bytes) -> None:
        self.target = target
        self._rewrite = rewrite
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._silent: set[socket.socket] = set()
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.drop()
        for each in self._silent:
            _close(each)
        _close(self._listening)

    def drop(self) -> None:
        """End the open connections; new ones go to `target`."""
        ended, self._open = self._open, []
        for each in ended:
            _close(each)

    def fall_silent(self) -> None:
        """Pass nothing more on over the open connections, and close none, as a cut cable does."""
        self._silent |= set(self._open)
        self._open = []

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = _connect(self.target)
                except OSError:
                    client.close()
                    continue
                self._open += [client, server]
                for ends in ((client, server, bytes), (server, client, self._rewrite)):
                    threading.Thread(target=_pump, args=(*ends, self._silent), daemon=True).start()


def _connect(target: int | str) -> socket.socket:
    if isinstance(target, int):
        return socket.create_connection(("127.0.0.1", target))
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(target)
    except OSError:
        connection.close()
        raise
    return connection


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


def _pump(
    source: socket.socket,
    sink: socket.socket,
    rewrite: Callable[[bytes], bytes],
    silent: Collection[socket.socket],
) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            if source not in silent:
                sink.sendall(rewrite(data))
    if source in silent:
        return
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
