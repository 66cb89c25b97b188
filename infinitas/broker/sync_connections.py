"""Connections to Redis that all threads of a process share, for sync callers."""

import os
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from redis.connection import ConnectionInterface
from redis.exceptions import ResponseError

from infinitas.broker.connection import REPLY_TIMEOUT_S
from infinitas.runtime.threads import green_library

MOST_CONNECTIONS = 64
"""Limit of one process: further threads wait some milliseconds for a free one."""
POLL_S = 0.001


class Place:
    """One of the connections that may be in use at once.

    Its holder puts it back into `free`; one that is lost, as a signal handler raised at the wrong moment, is
    replaced by another.
    """

    __slots__ = ("_free",)

    def __init__(self, free: "weakref.ref[SimpleQueue[Place]]") -> None:
        self._free = free

    def __del__(self) -> None:
        if (free := self._free()) is not None:
            free.put(Place(self._free))


class SharedConnections:
    """Idle connections of one process, and how many more may be in use.

    Without a lock: a signal handler may send in the middle of its thread's send, and would wait for
    itself. What is called here is atomic or, as SimpleQueue, reentrant.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.free: SimpleQueue[Place] = SimpleQueue()
        for _ in range(MOST_CONNECTIONS):
            self.free.put(Place(weakref.ref(self.free)))
        self._idle: list[ConnectionInterface] = []

    def wait(self) -> Place | None:
        """Wait for one of the connections. None after a while: the caller opens one more then."""
        with suppress(Empty):
            return self.free.get_nowait()
        return self._wait_in_greenlet() if green_library() else self._wait_in_thread()

    def take(self) -> ConnectionInterface | None:
        """The idle connection that was used last; None without one."""
        with suppress(IndexError):
            return self._idle.pop()
        return None

    def give_back(self, connection: ConnectionInterface, *, keep: bool) -> None:
        if keep:
            self._idle.append(connection)
        else:
            connection.disconnect()  # type: ignore[no-untyped-call]

    def _wait_in_thread(self) -> Place | None:
        with suppress(Empty):
            return self.free.get(timeout=REPLY_TIMEOUT_S)
        return None

    def _wait_in_greenlet(self) -> Place | None:
        # The queue is Python's if it was imported before the patches, and would stop all greenlets.
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while time.monotonic() < deadline:
            time.sleep(POLL_S)
            with suppress(Empty):
                return self.free.get_nowait()
        return None

    def close_idle(self) -> None:
        while connection := self.take():
            connection.disconnect()  # type: ignore[no-untyped-call]


def run_command(connection: ConnectionInterface, command: Sequence[object]) -> Any:
    try:
        connection.send_packed_command(connection.pack_command(*command))  # type: ignore[no-untyped-call]
        return connection.read_response()
    except ResponseError:
        raise
    except BaseException:
        # An answer that comes later must not be read as that of the next command.
        connection.disconnect()  # type: ignore[no-untyped-call]
        raise
