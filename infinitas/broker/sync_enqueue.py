"""Enqueues from sync code in the caller's own thread: no event loop, and no hop to another thread.

Sync callers wait for it thousands of times a second, also in a signal handler or at exit.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from redis.connection import ConnectionInterface
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from infinitas.broker.answers import EnqueueAnswer, parse_enqueued
from infinitas.broker.connection import CLUSTER_CLOCK, REPLY_TIMEOUT_S, Connection, script_arguments
from infinitas.broker.keys import QUEUES, QueueKeys
from infinitas.broker.messages import NewJob, encode_jobs
from infinitas.broker.refusals import translated
from infinitas.broker.scripts import Script, load_script
from infinitas.broker.sentinel import Address
from infinitas.broker.sync_connections import SharedConnections, run_command
from infinitas.broker.sync_connector import Connector

Use = Callable[[ConnectionInterface], Any]


class SyncEnqueuer:
    """Connections that all threads of this process share."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connector = Connector(url, "client", REPLY_TIMEOUT_S)
        self._clock = CLUSTER_CLOCK if self._connector.is_cluster else Connection.clock
        self._shared: dict[Address | None, SharedConnections] = {}

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[EnqueueAnswer]:
        """As `Jobs.enqueue`. Raises ServerUnreachable."""
        return parse_enqueued(self.run_script("enqueue", queue, jobs=encode_jobs(jobs)))

    def run_script(self, name: str, queue: str, **values: object) -> Any:
        """As `Connection.run_script`. Raises ServerUnreachable."""
        script, keys = load_script(name, self._clock), QueueKeys(queue)
        return self._run(keys.prefix, partial(_run_on, script, script_arguments(script, keys, values)))

    def command(self, *command: object) -> Any:
        """Run one command, which may be repeated. Raises ServerUnreachable."""
        key = str(command[1]) if len(command) > 1 else QUEUES
        return self._run(key, partial(run_command, command=command))

    def close(self) -> None:
        shared, self._shared = self._shared, {}
        for each in shared.values():
            each.close_idle()

    def _run(self, key: str, use: Use) -> Any:
        """Run a command on the server that has a key."""
        try:
            address = self._connector.address_of(key)
            try:
                return self._borrow(address, use)
            except (RedisError, OSError) as error:
                if not self._connector.leads_elsewhere(error, key, address):
                    raise
                if not self._connector.is_cluster:
                    self.close()
                return self._borrow(self._connector.address_of(key), use)
        except (RedisError, OSError) as error:
            raise translated(error, self._url) from None

    def _borrow(self, address: Address | None, use: Use) -> Any:
        shared = self._of_this_process(address)
        place, connection, whole = shared.wait(), None, False
        try:
            connection = shared.take() or self._connector.connect(address)
            try:
                answer = use(connection)
            except RedisConnectionError:
                # An idle one does not notice that Redis restarted. The jobs' ids make it safe to send again.
                answer = use(connection)
            whole = True
            return answer
        except ResponseError:
            whole = True
            raise
        finally:
            # A signal handler may raise anywhere: what was not read to its end is never used again.
            if connection is not None:
                current = shared is self._shared.get(address)
                shared.give_back(connection, keep=whole and place is not None and current)
            if place is not None:
                shared.free.put(place)

    def _of_this_process(self, address: Address | None) -> SharedConnections:
        shared = self._shared.get(address)
        if shared is not None and shared.pid == os.getpid():
            return shared
        if shared is None and not self._connector.is_cluster:
            # Another primary.
            self.close()
        # After a fork: the sockets, and the count of those in use, are the parent's.
        self._shared[address] = shared = SharedConnections()
        return shared


def _run_on(script: Script, arguments: tuple[Any, ...], connection: ConnectionInterface) -> Any:
    try:
        return run_command(connection, ("EVALSHA", script.sha, *arguments))
    except NoScriptError:
        return run_command(connection, ("EVAL", script.source, *arguments))
