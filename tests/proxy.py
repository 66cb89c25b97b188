"""A TCP address whose target a test changes; open connections stay where they are."""

import contextlib
import socket
import threading
from collections.abc import Callable


class Proxy:
    """Listens on loopback. `target`: where new connections go, a port or the path of a Unix socket."""

    def __init__(self, target: int | str, rewrite: Callable[[bytes], bytes] = bytes) -> None:
        self.target = target
        self._rewrite = rewrite
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.drop()
        _close(self._listening)

    def drop(self) -> None:
        """End the open connections; new ones go to `target`."""
        ended, self._open = self._open, []
        for each in ended:
            _close(each)

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
                threading.Thread(target=_pump, args=(client, server, bytes), daemon=True).start()
                threading.Thread(target=_pump, args=(server, client, self._rewrite), daemon=True).start()


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


def _pump(source: socket.socket, sink: socket.socket, rewrite: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(rewrite(data))
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
