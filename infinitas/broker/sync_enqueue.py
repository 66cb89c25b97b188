"""Enqueues from sync code in the caller's own thread: no event loop, and no hop to another thread.

Sync callers wait for it thousands of times a second, also in a signal handler or at exit.
"""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from redis.connection import ConnectionInterface
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from infinitas.broker.answers import EnqueueAnswer, parse_enqueued
from infinitas.broker.connection import (
    RENEW_EVERY_S,
    REPLY_TIMEOUT_S,
    Connection,
    script_arguments,
)
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import NewJob, encode_jobs
from infinitas.broker.refusals import primary_is_elsewhere, translated
from infinitas.broker.scripts import Script, load_script
from infinitas.broker.sync_connections import SharedConnections, run_command
from infinitas.broker.sync_connector import Connector


class SyncEnqueuer:
    """Connections that all threads of this process share."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connector = Connector(url, "client", REPLY_TIMEOUT_S)
        self._shared = SharedConnections()
        self._renewed = -RENEW_EVERY_S

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[EnqueueAnswer]:
        """As `Jobs.enqueue`. Raises ServerUnreachable."""
        return parse_enqueued(self.run_script("enqueue", queue, jobs=encode_jobs(jobs)))

    def run_script(self, name: str, queue: str, **values: object) -> Any:
        """As `Connection.run_script`. Raises ServerUnreachable."""
        script = load_script(name, Connection.clock)
        return self._run(partial(_run_on, script, script_arguments(script, QueueKeys(queue), values)))

    def command(self, *command: object) -> Any:
        """Run one command, which may be repeated. Raises ServerUnreachable."""
        return self._run(partial(run_command, command=command))

    def close(self) -> None:
        shared, self._shared = self._shared, SharedConnections()
        shared.close_idle()

    def _run(self, use: Callable[[ConnectionInterface], Any]) -> Any:
        try:
            if self._connector.find_primary():
                self.close()
            shared = self._of_this_process()
            try:
                return self._borrow(shared, use)
            except ResponseError as error:
                if not (primary_is_elsewhere(error) and self._renew(shared)):
                    raise
                return self._borrow(self._shared, use)
        except (RedisError, OSError) as error:
            raise translated(error, self._url) from None

    def _borrow(self, shared: SharedConnections, use: Callable[[ConnectionInterface], Any]) -> Any:
        place, connection, whole = shared.wait(), None, False
        try:
            connection = shared.take() or self._connector.connect()
            try:
                answer = use(connection)
            except RedisConnectionError:
                # An idle one does not notice that Redis restarted. The jobs' ids make it safe to send again.
                if self._connector.find_primary(in_doubt=True):
                    self.close()
                    connection = self._connector.connect()
                answer = use(connection)
            whole = True
            return answer
        except ResponseError:
            whole = True
            raise
        finally:
            # A signal handler may raise anywhere: what was not read to its end is never used again.
            if connection is not None:
                shared.give_back(connection, keep=whole and place is not None and shared is self._shared)
            if place is not None:
                shared.free.put(place)

    def _of_this_process(self) -> SharedConnections:
        if self._shared.pid != os.getpid():
            # After a fork: the sockets, and the count of those in use, are the parent's.
            self._shared = SharedConnections()
        return self._shared

    def _renew(self, shared: SharedConnections) -> bool:
        """Make the next connections resolve the address again. False if these are new themselves."""
        self._connector.distrust()
        self._connector.find_primary(in_doubt=True)
        if shared is not self._shared:
            return True
        now = time.monotonic()
        if now - self._renewed < RENEW_EVERY_S:
            return False
        self._renewed = now
        self.close()
        return True


def _run_on(script: Script, arguments: tuple[Any, ...], connection: ConnectionInterface) -> Any:
    try:
        return run_command(connection, ("EVALSHA", script.sha, *arguments))
    except NoScriptError:
        return run_command(connection, ("EVAL", script.source, *arguments))
