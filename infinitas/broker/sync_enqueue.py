"""Enqueues from sync code in the caller's own thread: no event loop, and no hop to another thread.

It is the one verb whose round trip callers wait for thousands of times a second. All else that sync
code does goes through the portal, and so does an enqueue that meets anything unusual.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from infinitas.broker.connection import (
    CONNECTION_OPTIONS,
    RENEW_EVERY_S,
    REPLY_TIMEOUT_S,
    Connection,
    client_name,
    script_arguments,
)
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import NewJob, enqueued
from infinitas.broker.refusals import in_our_words, primary_is_elsewhere
from infinitas.broker.scripts import Script, load_script

MOST_CONNECTIONS = 64
"""Of one process: more threads than that wait for each other, some milliseconds."""


class Direct:
    """Connections that all threads of this process share."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Only knows what the URL means: it limits what was ever made, not what is open.
        self._how = ConnectionPool.from_url(
            url,
            **CONNECTION_OPTIONS,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=partial(_greet, client_name("client")),
            socket_timeout=REPLY_TIMEOUT_S,
        )
        self._shared = _Shared()
        self._renewed = -RENEW_EVERY_S

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[str]:
        """As `Broker.enqueue`. Raises ServerUnreachable."""
        script, keys = load_script("enqueue", Connection.clock), QueueKeys(queue)
        arguments = script_arguments(script, keys, {"jobs": enqueued(jobs)})
        shared = self._of_this_process()
        try:
            try:
                return list(self._run(shared, script, arguments))
            except ResponseError as error:
                if not (primary_is_elsewhere(error) and self._renew(shared)):
                    raise
                return list(self._run(self._shared, script, arguments))
        except (RedisError, OSError) as error:
            raise in_our_words(error, self._url) from None

    def close(self) -> None:
        shared, self._shared = self._shared, _Shared()
        shared.close_idle()

    def _run(self, shared: "_Shared", script: Script, arguments: tuple[Any, ...]) -> Any:
        waited = shared.wait()
        connection = None
        try:
            connection = shared.take() or self._how.connection_class(**self._how.connection_kwargs)
            try:
                return _ask(connection, "EVALSHA", script.sha, *arguments)
            except (NoScriptError, RedisConnectionError):
                # Redis was restarted, of which an idle connection does not know. The jobs' ids make it
                # safe to send them again.
                return _ask(connection, "EVAL", script.source, *arguments)
        finally:
            if connection is not None:
                shared.give_back(connection, keep=waited and shared is self._shared)
            if waited:
                shared.free.put(None)

    def _of_this_process(self) -> "_Shared":
        if self._shared.pid != os.getpid():
            # After a fork: the sockets are the parent's, and so is the memory of who holds them.
            self._shared = _Shared()
        return self._shared

    def _renew(self, shared: "_Shared") -> bool:
        """Have the next connections resolve the address anew. False if these are new themselves."""
        if shared is not self._shared:
            return True
        now = time.monotonic()
        if now - self._renewed < RENEW_EVERY_S:
            return False
        self._renewed = now
        self.close()
        return True


class _Shared:
    """The connections of one process that wait for use, and how many more may be in use.

    Without a lock of our own: a signal handler may send in the middle of its thread's send, and would
    wait for itself. What is called here is atomic or, as SimpleQueue, made to be entered again.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.free: SimpleQueue[None] = SimpleQueue()
        for _ in range(MOST_CONNECTIONS):
            self.free.put(None)
        self._idle: list[ConnectionInterface] = []

    def wait(self) -> bool:
        """For one of the connections. False after a while: then one more is better than none."""
        try:
            self.free.get(timeout=REPLY_TIMEOUT_S)
        except Empty:
            return False
        return True

    def take(self) -> ConnectionInterface | None:
        """The one that was used last: the others may close unnoticed."""
        with suppress(IndexError):
            return self._idle.pop()
        return None

    def give_back(self, connection: ConnectionInterface, *, keep: bool) -> None:
        if keep:
            self._idle.append(connection)
        else:
            connection.disconnect()  # type: ignore[no-untyped-call]

    def close_idle(self) -> None:
        while connection := self.take():
            connection.disconnect()  # type: ignore[no-untyped-call]


def _ask(connection: ConnectionInterface, *command: object) -> Any:
    try:
        connection.send_packed_command(connection.pack_command(*command))  # type: ignore[no-untyped-call]
        return connection.read_response()
    except ResponseError:
        raise
    except BaseException:
        # An answer that comes later must not be taken for that of the next command.
        connection.disconnect()  # type: ignore[no-untyped-call]
        raise


def _greet(name: str, connection: Any) -> None:
    """Begin a new connection, and name it if its user may."""
    connection.on_connect()
    with suppress(NoPermissionError):
        connection.send_command("CLIENT", "SETNAME", name)
        connection.read_response()
