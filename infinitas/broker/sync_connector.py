"""Makes connections for callers without an event loop: to the server of a URL, or of a key."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.connection import ConnectionPool as SyncConnectionPool
from redis.crc import key_slot
from redis.exceptions import ResponseError
from redis.retry import Retry as SyncRetry

from infinitas.broker.cluster import Shards
from infinitas.broker.connection import OPTIONS, RENEW_EVERY_S, client_name
from infinitas.broker.refusals import is_outage, primary_is_elsewhere
from infinitas.broker.sentinel import CHECK_EVERY_S, Address, Sentinels, check_role
from infinitas.core.errors import InfinitasError, ServerUnreachable

ASK_EVERY_S = 1.0
"""A caller without an event loop gets no messages of Sentinels: so often it asks them as it sends."""


class Connector:
    """Threads may share it: at worst two of them search at once."""

    def __init__(self, url: str, role: str, timeout_s: float) -> None:
        sentinels, server_url = Sentinels.of(url)
        shards, server_url = Shards.of(server_url)
        self._directory = sentinels or shards
        # The pool only parses the URL: it would limit how many connections were ever made.
        pool = SyncConnectionPool.from_url(
            server_url,
            **OPTIONS,
            retry=SyncRetry(NoBackoff(), 0),
            redis_connect_func=partial(_greet, client_name(role), sentinels is not None),
            socket_timeout=timeout_s,
        )
        self._class: Callable[..., ConnectionInterface] = pool.connection_class
        self._options: Mapping[str, Any] = pool.connection_kwargs
        self._found: Any = None
        """An address or, of a Cluster, one for each hash slot."""
        self._search_at = 0.0
        self._renewed = -RENEW_EVERY_S

    @property
    def is_cluster(self) -> bool:
        return isinstance(self._directory, Shards)

    def address_of(self, key: str) -> Address | None:
        """The address of the server that has a key; None: that of the URL.

        Raises:
            ServerUnreachable, ConfigError: none was ever found. Later the last one known is kept.
        """
        self._search()
        if not self.is_cluster:
            found: Address | None = self._found
            return found
        address: Address | None = self._found[key_slot(key.encode())]
        if address is None:
            raise ServerUnreachable(f"No node of the Redis Cluster serves {key}.")
        return address

    def leads_elsewhere(self, error: Exception, key: str, address: Address | None) -> bool:
        """After an error at `address`: whether another server has the key by now, or may have it."""
        wrong, now = primary_is_elsewhere(error), time.monotonic()
        if self._directory is None:
            # New connections resolve the host of the URL again.
            new = wrong and now - self._renewed >= RENEW_EVERY_S
            self._renewed = now if new else self._renewed
            return new
        if wrong:
            self._directory.distrust()
        if wrong or is_outage(error):
            self._search_at = 0.0
        return self.address_of(key) != address

    def connect(self, address: Address | None) -> ConnectionInterface:
        """A connection, which opens on first use."""
        if address is None:
            return self._class(**self._options)
        return self._class(**{**self._options, "host": address[0], "port": address[1]})

    def _search(self) -> None:
        now = time.monotonic()
        if self._directory is None or now < self._search_at:
            return
        try:
            self._found = self._directory.find()
            self._search_at = now + (math.inf if self.is_cluster else ASK_EVERY_S)
        except InfinitasError:
            if self._found is None:
                raise
            self._search_at = now + CHECK_EVERY_S


def _greet(name: str, must_lead: bool, connection: Any) -> None:
    connection.on_connect()
    with suppress(ResponseError):
        connection.send_command("CLIENT", "SETNAME", name)
        connection.read_response()
    if must_lead:
        role = None
        with suppress(ResponseError):
            connection.send_command("ROLE")
            role = connection.read_response()
        check_role(role)
