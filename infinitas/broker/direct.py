"""Enqueues from sync code in the caller's own thread: no event loop, and no hop to another thread.

It is the one verb whose round trip callers wait for thousands of times a second. All else that sync
code does goes over the bridge, and so does an enqueue that meets anything unusual.
"""

import os
import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from infinitas.broker.connection import (
    REPLY_TIMEOUT_S,
    Connection,
    connection_options,
    in_our_words,
    script_arguments,
)
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import NewJob, enqueued
from infinitas.broker.scripts import load_script


class Direct:
    """Connections of their own for each thread that sends; nearly always one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = ConnectionPool.from_url(
            url,
            **connection_options("client"),
            retry=Retry(NoBackoff(), 0),
            socket_timeout=REPLY_TIMEOUT_S,
        )
        self._own = threading.local()
        self._all: WeakSet[ConnectionInterface] = WeakSet()

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[str]:
        """As `Broker.enqueue`. Raises ServerUnreachable."""
        script, keys = load_script("enqueue", Connection.clock), QueueKeys(queue)
        arguments = script_arguments(script, keys, {"jobs": enqueued(jobs)})
        try:
            try:
                return list(self._ask("EVALSHA", script.sha, *arguments))
            except NoScriptError:
                return list(self._ask("EVAL", script.source, *arguments))
            except RedisConnectionError:
                # An idle connection does not hear that Redis was restarted. The jobs' ids make it safe
                # to say it again.
                return list(self._ask("EVAL", script.source, *arguments))
        except (RedisError, OSError) as error:
            raise in_our_words(error, self._url) from None

    def close(self) -> None:
        for connection in list(self._all):
            connection.disconnect()  # type: ignore[no-untyped-call]

    def _ask(self, *command: object) -> Any:
        free = self._free()
        # Not there while it is in use: a signal handler may send, in the middle of its thread's send.
        connection = free.pop() if free else self._make()
        try:
            connection.send_packed_command(connection.pack_command(*command))  # type: ignore[no-untyped-call]
            return connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            # An answer that comes later must not be taken for that of the next command.
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        finally:
            free.append(connection)

    def _free(self) -> list[ConnectionInterface]:
        """This thread's own; a forked child has others than its parent."""
        if getattr(self._own, "pid", None) != os.getpid():
            self._own.pid, self._own.free = os.getpid(), []
        found: list[ConnectionInterface] = self._own.free
        return found

    def _make(self) -> ConnectionInterface:
        connection: ConnectionInterface = self._pool.make_connection()
        self._all.add(connection)
        return connection
