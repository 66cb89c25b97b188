"""Makes connections for callers without an event loop: to the server of a URL, or to the primary."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.connection import ConnectionPool as SyncConnectionPool
from redis.exceptions import ResponseError
from redis.retry import Retry as SyncRetry

from infinitas.broker.connection import OPTIONS, client_name
from infinitas.broker.sentinel import CHECK_EVERY_S, Address, Sentinels, check_role
from infinitas.core.errors import InfinitasError

ASK_EVERY_S = 1.0
"""A caller without an event loop gets no messages of Sentinels: so often it asks them as it sends."""


class Connector:
    """Threads may share it: at worst two of them ask the Sentinels at once."""

    def __init__(self, url: str, role: str, timeout_s: float) -> None:
        self._sentinels, server_url = Sentinels.of(url)
        # The pool only parses the URL: it would limit how many connections were ever made.
        pool = SyncConnectionPool.from_url(
            server_url,
            **OPTIONS,
            retry=SyncRetry(NoBackoff(), 0),
            redis_connect_func=partial(_greet, client_name(role), self._sentinels is not None),
            socket_timeout=timeout_s,
        )
        self._class: Callable[..., ConnectionInterface] = pool.connection_class
        self._options: Mapping[str, Any] = pool.connection_kwargs
        self._address: Address | None = None
        self._ask_at = 0.0

    def connect(self) -> ConnectionInterface:
        """A connection, which opens on first use."""
        if self._address is None:
            return self._class(**self._options)
        host, port = self._address
        return self._class(**{**self._options, "host": host, "port": port})

    def find_primary(self, *, in_doubt: bool = False) -> bool:
        """Ask the Sentinels, if there are any, now and then or where the primary is in doubt.

        Returns whether open connections lead to another server.

        Raises:
            ServerUnreachable, ConfigError: they do not name a first one. Later the last one known is kept.
        """
        now = time.monotonic()
        if self._sentinels is None or not (in_doubt or now >= self._ask_at):
            return False
        former = self._address
        try:
            self._address = self._sentinels.primary()
        except InfinitasError:
            if former is None:
                raise
            self._ask_at = now + CHECK_EVERY_S
            return False
        self._ask_at = now + ASK_EVERY_S
        return former not in (None, self._address)

    def distrust(self) -> None:
        """The server is a replica by now: the next search begins with another Sentinel."""
        if self._sentinels is not None:
            self._sentinels.distrust()


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
