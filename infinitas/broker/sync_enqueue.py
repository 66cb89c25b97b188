"""Enqueues from sync code in the caller's own thread: no event loop, and no hop to another thread.

It is the one verb whose round trip sync callers wait for thousands of times a second. All others go
through the portal, and so does an enqueue that meets anything unusual.
"""

import os
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from infinitas.broker.answers import EnqueueAnswer, parse_enqueued
from infinitas.broker.connection import (
    RENEW_EVERY_S,
    REPLY_TIMEOUT_S,
    Connection,
    script_arguments,
    sync_connections,
)
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import NewJob, encode_jobs
from infinitas.broker.refusals import primary_is_elsewhere, translated
from infinitas.broker.scripts import Script, load_script
from infinitas.broker.sync_connections import SharedConnections, run_command


class SyncEnqueuer:
    """Connections that all threads of this process share."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._new_connection = sync_connections(url, "client", REPLY_TIMEOUT_S)
        self._shared = SharedConnections()
        self._renewed = -RENEW_EVERY_S

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[EnqueueAnswer]:
        """As `Jobs.enqueue`. Raises ServerUnreachable."""
        script, keys = load_script("enqueue", Connection.clock), QueueKeys(queue)
        arguments = script_arguments(script, keys, {"jobs": encode_jobs(jobs)})
        shared = self._of_this_process()
        try:
            try:
                return parse_enqueued(self._run(shared, script, arguments))
            except ResponseError as error:
                if not (primary_is_elsewhere(error) and self._renew(shared)):
                    raise
                return parse_enqueued(self._run(self._shared, script, arguments))
        except (RedisError, OSError) as error:
            raise translated(error, self._url) from None

    def close(self) -> None:
        shared, self._shared = self._shared, SharedConnections()
        shared.close_idle()

    def _run(self, shared: SharedConnections, script: Script, arguments: tuple[Any, ...]) -> Any:
        waited = shared.wait()
        connection = None
        try:
            connection = shared.take() or self._new_connection()
            try:
                return run_command(connection, "EVALSHA", script.sha, *arguments)
            except (NoScriptError, RedisConnectionError):
                # Redis may have restarted, which an idle connection does not notice. The jobs' ids make it
                # safe to send them again.
                return run_command(connection, "EVAL", script.source, *arguments)
        finally:
            if connection is not None:
                shared.give_back(connection, keep=waited and shared is self._shared)
            if waited:
                shared.free.put(None)

    def _of_this_process(self) -> SharedConnections:
        if self._shared.pid != os.getpid():
            # After a fork: the sockets, and the count of those in use, are the parent's.
            self._shared = SharedConnections()
        return self._shared

    def _renew(self, shared: SharedConnections) -> bool:
        """Make the next connections resolve the address again. False if these are new themselves."""
        if shared is not self._shared:
            return True
        now = time.monotonic()
        if now - self._renewed < RENEW_EVERY_S:
            return False
        self._renewed = now
        self.close()
        return True
